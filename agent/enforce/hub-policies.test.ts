import { LABELS, type SovereignPolicy, SYSTEM_NAMESPACE } from '@fso/shared/api';
import { compileCluster } from '@fso/shared/compile';
import { decodeFiles } from '@fso/shared/decode';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type DesiredPolicies, type DesiredPolicy, desiredPolicies, generationAsDesired, planHubPolicies } from './hub-policies.ts';
import type { Action } from './types.ts';

const header = (kind: string, name: string): string =>
  `apiVersion: compliance.federated.io/v1\nkind: ${kind}\nmetadata:\n  name: ${name}\n`;
const compiled = (regions: Readonly<Record<string, string>>) => {
  const decoded = decodeFiles([
    { path: 'clusters/eu.yaml', text: `${header('ManagedCluster', 'eu')}spec:\n  regions: [eu-west-1]\n` },
    ...Object.entries(regions).map(([name, region]) => ({
      path: `policies/${name}.yaml`,
      text: `${header('SovereignPolicy', name)}spec:\n  targetNamespace: ${name}\n  allowedRegions: [${region}]\n`,
    })),
  ]);
  if (!decoded.ok) throw new Error(JSON.stringify(decoded.problems));
  return compileCluster(decoded.set, 'eu').policies;
};
type Live = ReadonlyMap<string, SovereignPolicy>;
const desire = (regions: Readonly<Record<string, string>>, revision: string, before: DesiredPolicies = new Map(), live: Live = new Map()) =>
  desiredPolicies({ compiled: compiled(regions), revision, before, live });
const nameOf = ({ key }: Action): string => key.slice('SovereignPolicy/'.length);
/** Returns the content of the cluster after one plan. */
const step = (desired: DesiredPolicies, live: Live): Live => {
  const next = new Map(live);
  for (const action of planHubPolicies(desired, live, false).actions) {
    if (action.type === 'apply') next.set(nameOf(action), structuredClone(action.body) as SovereignPolicy);
    if (action.type === 'delete') next.delete(nameOf(action));
  }
  return next;
};
/** Returns the content of the cluster after both plans of a commit: one writes, and one deletes. */
const run = (desired: DesiredPolicies, live: Live): Live => step(desired, step(desired, live));
const textsOf = (desired: DesiredPolicies, live: Live, isRepair = false): readonly string[] =>
  planHubPolicies(desired, live, isRepair).actions.map((action) => `${action.reason}: ${action.type} ${nameOf(action)}`);
const [WRITTEN, NOT_WRITTEN] = [true, false].map((isWritten) => ({ actions: [], isWritten }));
const sets = fc.dictionary(fc.constantFrom('a', 'b', 'c', 'd'), fc.constantFrom('eu-west-1', 'eu-central-1'));
const sinceOf = (desired: DesiredPolicies) => Object.fromEntries([...desired].map(([key, { since }]) => [key, since]));

describe('planHubPolicies', () => {
  it('leaves nothing to do once it has written and deleted', () => {
    fc.assert(
      fc.property(sets, sets, (first, second) => {
        const one = desire(first, '1');
        const two = desire(second, '2', one);
        const live = run(two, run(one, new Map()));
        expect(new Set(live.keys())).toEqual(new Set(two.keys()));
        expect(planHubPolicies(two, live, false)).toEqual(WRITTEN);
      }),
    );
  });

  it('writes only what changed, and deletes once the cluster shows what it wrote', () => {
    const one = desire({ a: 'eu-west-1', b: 'eu-west-1', c: 'eu-west-1' }, '1');
    const two = desire({ a: 'eu-west-1', b: 'eu-central-1', d: 'eu-west-1' }, '2', one);
    const live = run(one, new Map());
    expect(textsOf(two, live)).toEqual(['Commit: apply b', 'Commit: apply d']);
    expect(textsOf(two, step(two, live))).toEqual(['Commit: delete c']);
    expect(planHubPolicies(two, step(two, live), false).isWritten).toBe(false);
  });

  it('leaves local policies and foreign labels alone, and takes a foreign field out of the spec', () => {
    const one = desire({ a: 'eu-west-1' }, '1');
    const live = new Map(run(one, new Map()));
    const a = live.get('a');
    if (a === undefined) throw new Error('not written');
    const local = { ...a, metadata: { name: 'x', namespace: SYSTEM_NAMESPACE, labels: {} } };
    live.set('x', local);
    live.set('a', { ...a, metadata: { ...a.metadata, labels: { ...a.metadata.labels, team: 'x' } } });
    expect(planHubPolicies(one, live, true)).toEqual(WRITTEN);
    live.set('a', { ...a, spec: { ...a.spec, excludedNamespaces: ['*'] } });
    expect(textsOf(one, live, true)).toEqual(['Drift: patch a', 'Drift: apply a']);
    expect(planHubPolicies(one, live, true).actions[0]).toMatchObject({ patch: { spec: { ...a.spec, excludedNamespaces: null } } });
    live.set('x', { ...local, metadata: { ...local.metadata, labels: { [LABELS.managedBy]: 'hub' } } });
    live.set('a', a);
    expect(textsOf(one, live, true)).toEqual(['Drift: delete x']);
    expect(textsOf(desire({}, '2', one), live)).toEqual(['Commit: delete a', 'Commit: delete x']);
  });

  it('removes finalizers that block a wanted policy, and waits for one that is deleted', () => {
    const one = desire({ a: 'eu-west-1' }, '1');
    const live = new Map(run(one, new Map()));
    const a = live.get('a');
    if (a === undefined) throw new Error('not written');
    const going = { ...a, metadata: { ...a.metadata, uid: 'u', deletionTimestamp: '2026-01-01T00:00:00Z' } };
    live.set('a', { ...going, metadata: { ...going.metadata, finalizers: ['example.com/keep'] } });
    expect(planHubPolicies(one, live, false)).toMatchObject({
      actions: [{ type: 'patch', reason: 'Drift', patch: { metadata: { uid: 'u', finalizers: null } } }],
      isWritten: false,
    });
    expect(planHubPolicies(desire({}, '2', one), live, false)).toEqual(WRITTEN);
    live.set('a', going);
    expect(planHubPolicies(one, live, false)).toEqual(NOT_WRITTEN);
  });

  it('releases and writes before it deletes', () => {
    const live = new Map(run(desire({ a: 'eu-west-1', b: 'eu-west-1', c: 'eu-west-1' }, '1'), new Map()));
    const a = live.get('a');
    if (a === undefined) throw new Error('not written');
    live.set('a', { ...a, metadata: { ...a.metadata, finalizers: ['example.com/keep'], deletionTimestamp: '2026-01-01T00:00:00Z' } });
    const next = desire({ a: 'eu-west-1', b: 'eu-central-1' }, '2');
    expect(textsOf(next, live)).toEqual(['Drift: patch a', 'Commit: apply b']);
  });
});

describe('generationAsDesired', () => {
  const one = desire({ a: 'eu-west-1' }, '1');
  const written = run(one, new Map()).get('a') as SovereignPolicy;
  const a: SovereignPolicy = { ...written, metadata: { ...written.metadata, generation: 3 } };
  const desired = one.get('a') as DesiredPolicy;

  it('is the generation of a policy with the desired spec, with any other fields on it', () => {
    expect(generationAsDesired(desired, a)).toBe(3);
    expect(generationAsDesired(desired, { ...a, metadata: { ...a.metadata, labels: { ...a.metadata.labels, team: 'x' } } })).toBe(3);
  });

  it.each<[string, SovereignPolicy | undefined]>([
    ['is not there', undefined],
    ['has another spec', { ...a, spec: { ...a.spec, allowedRegions: ['us-east-1'] }, metadata: { ...a.metadata, generation: 4 } }],
    ['lost its label', { ...a, metadata: { ...a.metadata, labels: {} } }],
    ['is being deleted', { ...a, metadata: { ...a.metadata, deletionTimestamp: '2026-01-01T00:00:00Z' } }],
  ])('is absent for a policy that %s', (_, live) => {
    expect(generationAsDesired(desired, live)).toBeUndefined();
  });
});

describe('desiredPolicies', () => {
  it('keeps the commit since which a policy is unchanged, from memory or from the cluster', () => {
    const one = desire({ a: 'eu-west-1', b: 'eu-west-1' }, '1');
    const next = { a: 'eu-west-1', b: 'eu-central-1', c: 'eu-west-1' };
    const expected = {
      a: '1',
      b: '2',
      c: '2',
    };
    expect(sinceOf(desire(next, '2', one))).toEqual(expected);
    expect(sinceOf(desire(next, '2', new Map(), run(one, new Map())))).toEqual(expected);
  });
});
