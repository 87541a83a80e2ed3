import { LABELS, type SovereignPolicy, SYSTEM_NAMESPACE } from '@fso/shared/api';
import { compileCluster } from '@fso/shared/compile';
import { decodeFiles } from '@fso/shared/decode';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type DesiredPolicies, desiredPolicies, generationAsDesired, planWrites } from './hub-policies.ts';

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
/** What the cluster would hold after the plan. */
const run = (desired: DesiredPolicies, live: Live): Live => {
  const next = new Map(live);
  for (const action of planWrites(desired, live).actions) {
    if (action.type === 'apply') next.set(action.key, structuredClone(action.body));
    else next.delete(action.key);
  }
  return next;
};
const sets = fc.dictionary(fc.constantFrom('a', 'b', 'c', 'd'), fc.constantFrom('eu-west-1', 'eu-central-1'));
const sinceOf = (desired: DesiredPolicies) => Object.fromEntries([...desired].map(([key, { since }]) => [key, since]));

describe('planWrites', () => {
  it('done once, leaves nothing to do', () => {
    fc.assert(
      fc.property(sets, sets, (first, second) => {
        const one = desire(first, '1');
        const two = desire(second, '2', one);
        const live = run(two, run(one, new Map()));
        expect(new Set(live.keys())).toEqual(new Set(two.keys()));
        expect(planWrites(two, live)).toEqual({ actions: [], waiting: [] });
      }),
    );
  });

  it('writes only what changed, and deletes after it has applied', () => {
    const one = desire({ a: 'eu-west-1', b: 'eu-west-1', c: 'eu-west-1' }, '1');
    const two = desire({ a: 'eu-west-1', b: 'eu-central-1', d: 'eu-west-1' }, '2', one);
    const { actions } = planWrites(two, run(one, new Map()));
    expect(actions.map(({ type, key }) => `${type} ${key}`)).toEqual(['apply b', 'apply d', 'delete c']);
  });

  it('leaves local policies and foreign labels alone, and sees a foreign field in the spec as drift', () => {
    const one = desire({ a: 'eu-west-1' }, '1');
    const live = new Map(run(one, new Map()));
    const a = live.get('a');
    if (a === undefined) throw new Error('not written');
    const local = { ...a, metadata: { name: 'x', namespace: SYSTEM_NAMESPACE, labels: {} } };
    live.set('x', local);
    live.set('a', { ...a, metadata: { ...a.metadata, labels: { ...a.metadata.labels, team: 'x' } } });
    expect(planWrites(one, live).actions).toEqual([]);
    live.set('a', { ...a, spec: { ...a.spec, excludedNamespaces: ['*'] } });
    expect(planWrites(one, live).actions).toMatchObject([{ type: 'apply', key: 'a' }]);
    live.set('x', { ...local, metadata: { ...local.metadata, labels: { [LABELS.managedBy]: 'hub' } } });
    expect(planWrites(desire({}, '2', one), live).actions.map(({ type, key }) => `${type} ${key}`)).toEqual(['delete a', 'delete x']);
  });

  it('takes away what keeps a wanted policy from going, and waits for one that goes', () => {
    const one = desire({ a: 'eu-west-1' }, '1');
    const live = new Map(run(one, new Map()));
    const a = live.get('a');
    if (a === undefined) throw new Error('not written');
    const going = { ...a, metadata: { ...a.metadata, deletionTimestamp: '2026-01-01T00:00:00Z' } };
    const kept = { ...going, metadata: { ...going.metadata, finalizers: ['example.com/keep'] } };
    live.set('a', kept);
    expect(planWrites(one, live)).toEqual({
      actions: [{ type: 'release', key: 'a', live: kept }],
      waiting: [],
    });
    expect(planWrites(desire({}, '2', one), live)).toEqual({ actions: [], waiting: [] });
    live.set('a', going);
    expect(planWrites(one, live)).toEqual({ actions: [], waiting: ['a'] });
  });
});

describe('generationAsDesired', () => {
  const one = desire({ a: 'eu-west-1' }, '1');
  const written = run(one, new Map()).get('a') as SovereignPolicy;
  const a: SovereignPolicy = { ...written, metadata: { ...written.metadata, generation: 3 } };

  it('is the generation of a policy that reads as desired, whatever else others put on it', () => {
    expect(generationAsDesired('a', one, a)).toBe(3);
    expect(generationAsDesired('a', one, { ...a, metadata: { ...a.metadata, labels: { ...a.metadata.labels, team: 'x' } } })).toBe(3);
  });

  it.each<[string, SovereignPolicy | undefined]>([
    ['is not there', undefined],
    ['has another spec', { ...a, spec: { ...a.spec, allowedRegions: ['us-east-1'] }, metadata: { ...a.metadata, generation: 4 } }],
    ['lost its label', { ...a, metadata: { ...a.metadata, labels: {} } }],
    ['is being deleted', { ...a, metadata: { ...a.metadata, deletionTimestamp: '2026-01-01T00:00:00Z' } }],
  ])('has none of a policy that %s', (_, live) => {
    expect(generationAsDesired('a', one, live)).toBeUndefined();
  });
});

describe('desiredPolicies', () => {
  it('keeps the commit since which a policy reads as it does, by memory or by what stands in the cluster', () => {
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
