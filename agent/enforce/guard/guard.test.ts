import type { ValidatingAdmissionPolicy } from '@fso/shared/kube';
import { describe, expect, it } from 'vitest';
import { celString } from '../admission-policies.ts';
import { desiredGuard, planGuard } from './guard.ts';
import { mayMoveNode } from './guard-cel.ts';
import { guardProbes } from './guards.ts';

const trust = {
  agent: 'system:serviceaccount:federated-sovereignty-system:fso-agent',
  binders: [],
  nodeLabelers: ['cloud', 'group:node-team'],
  gatekeeperNamespace: 'gatekeeper-system',
};
const { policies, bindings } = desiredGuard(trust);

/** An object as the API server returns it: without empty lists. */
const served = (object: ValidatingAdmissionPolicy): ValidatingAdmissionPolicy =>
  JSON.parse(JSON.stringify(object, (_, value) => (Array.isArray(value) && value.length === 0 ? undefined : value)));

describe('celString', () => {
  it.each([
    ['plain', '"plain"'],
    ["o'brien", `"o'brien"`],
    ['say "x" || true', String.raw`"say \"x\" || true"`],
    [String.raw`CORP\admin`, String.raw`"CORP\\admin"`],
    ['two\nlines\u0000', String.raw`"two\nlines\u0000"`],
  ])('quotes %j', (text, literal) => {
    expect(celString(text)).toBe(literal);
  });
});

describe('planGuard', () => {
  it('installs every policy with its binding, and then has nothing to do', () => {
    expect(planGuard([], [], trust).map(({ key, reason }) => [key.split('/')[1], reason])).toEqual(
      [...policies, ...bindings].map(({ metadata }) => [metadata.name, 'Install']),
    );
    expect(bindings.map(({ metadata }) => metadata.name)).toEqual(policies.map(({ metadata }) => metadata.name));
    expect(planGuard(policies.map(served), bindings.map(served), trust)).toEqual([]);
  });

  it('fails closed and refuses', () => {
    expect(policies.every(({ spec }) => spec?.['failurePolicy'] === 'Fail')).toBe(true);
    expect(bindings.every(({ spec }) => JSON.stringify(spec?.['validationActions']) === '["Deny","Audit"]')).toBe(true);
  });

  it('restores a narrowed guard, and follows another name of the agent', () => {
    const [first, ...others] = policies.map(served);
    const changed = { ...first, spec: { ...first?.spec, matchConditions: [{ name: 'never', expression: 'false' }] } };
    const narrowed = planGuard([changed as ValidatingAdmissionPolicy, ...others], bindings.map(served), trust);
    expect(narrowed.map(({ type, reason }) => [type, reason])).toEqual([
      ['patch', 'Drift'],
      ['apply', 'Drift'],
    ]);
    const renamed = planGuard(policies.map(served), bindings.map(served), { ...trust, agent: 'other' });
    // All but the one on nodes, which makes no exception for the agent.
    expect(new Set(renamed.map(({ key }) => key)).size).toBe(policies.length - 1);
  });

  it('writes the name of the agent as a literal that no name can break out of', () => {
    const agent = `x" || request.userInfo.username != "`;
    const conditions = desiredGuard({ ...trust, agent }).policies.flatMap(
      ({ spec }) => (spec?.['matchConditions'] ?? []) as { name: string; expression: string }[],
    );
    const named = conditions.filter(({ name }) => name === 'not-the-agent');
    expect(named).toHaveLength(policies.length - 1);
    const literal = String.raw`request.userInfo.username != "x\" || request.userInfo.username != \""`;
    expect(named.every(({ expression }) => expression === literal || expression.startsWith(`${literal} || (`))).toBe(true);
  });

  it('judges marked dry runs of the agent where it can send one, and on namespaces its request for the removal of enforcement', () => {
    const name = (suffix: string): string => `fso-guard-${suffix}`;
    const judging = (text: string): readonly string[] =>
      policies.filter(({ spec }) => JSON.stringify(spec?.['matchConditions']).includes(text)).map(({ metadata }) => metadata.name);
    expect([...guardProbes(trust).keys()]).toEqual(['namespaces', 'policies', 'locks', 'definitions', 'state'].map(name));
    expect(judging('compliance.gov/guard-probe')).toEqual([...guardProbes(trust).keys()]);
    expect(judging('uninstall-requested-by')).toEqual([name('namespaces')]);
  });

  it('marks every dry run that proves a guard', () => {
    for (const [name, { body }] of guardProbes(trust))
      expect(body, name).toMatchObject({ metadata: { annotations: { 'compliance.gov/guard-probe': expect.any(String) } } });
  });

  it('identifies Gatekeeper by the namespace that it runs in', () => {
    const elsewhere = JSON.stringify(desiredGuard({ ...trust, gatekeeperNamespace: 'security' }));
    expect(elsewhere).toContain('system:serviceaccounts:security');
    expect(elsewhere).not.toContain('gatekeeper-system');
  });
});

it('distinguishes users from groups among those who may move a node', () => {
  expect(mayMoveNode(trust)).toContain('request.userInfo.username in ["cloud"]');
  expect(mayMoveNode(trust)).toContain('g in ["node-team"]');
  expect(mayMoveNode({ ...trust, nodeLabelers: [] })).not.toContain(' in [');
});
