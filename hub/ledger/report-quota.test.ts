import type { PolicyReport } from '@fso/shared/api';
import { isOfHub } from '@fso/shared/protocol';
import { listPolicy, type NamedPolicy, standingOf } from '@fso/shared/status';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EMPTY_BASELINE } from '../../test/harness/baselines.ts';
import { policyReport } from '../../test/harness/policy-reports.ts';
import { neverSeenCluster } from './changes.ts';
import { ClusterPolicies, PolicyList } from './policies/index.ts';
import { hasRoom, joinLeftOut, keepWithin, NONE_LEFT_OUT, ReportMemory, reportLimits, withChanges } from './report-quota.ts';
import { commitFor, compiledFor, desired } from './testing/ledger.ts';

const local = (name: string, change: Partial<PolicyReport> = {}): PolicyReport =>
  policyReport(name, { namespace: 'team', managedBy: 'local', ...change });
const deviation = standingOf(policyReport('any', { phase: 'Failed' }));
const other = standingOf(policyReport('any', { phase: 'Failed', violations: 3 }));
const keyed = (named: readonly PolicyReport[]): ReadonlyMap<string, NamedPolicy> =>
  new Map(named.map((each) => [`team/${each.name}`, each]));
const hubPolicy = (name: string, change: Partial<PolicyReport> = {}): PolicyReport => policyReport(name, { namespace: 'fso', ...change });
const ROOM = { policies: 100, whole: 100, bytes: 1e9 };

describe('what is kept of the reports of a cluster', () => {
  const LARGE = { message: 'x'.repeat(20_000) };
  const NAMED = {
    deviates: () => deviation,
    whole: (key: string) => local(key),
    large: (key: string) => local(key, LARGE),
    'of the hub': (key: string) => hubPolicy(key),
    'large of the hub': (key: string) => hubPolicy(key, LARGE),
    gone: () => undefined,
  } as const;
  const fates = fc.constantFrom(...(Object.keys(NAMED) as (keyof typeof NAMED)[]));

  it('is bounded by its quota, through any changes', () => {
    const step = fc.dictionary(fc.constantFrom('a', 'b', 'c', 'd', 'e'), fates, { noNullPrototype: true });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 6 }), fc.nat(5), fc.nat(3), (steps, policies, whole) => {
        let kept: ReadonlyMap<string, NamedPolicy> = new Map();
        for (const drawn of steps) {
          const said = new Map(Object.entries(drawn).map(([key, fate]) => [key, NAMED[fate](key)]));
          const { changes, left } = keepWithin(kept, said, { policies, whole, bytes: 30_000 });
          kept = withChanges(kept, changes);
          const locals = [...kept.values()].filter((each) => !isOfHub(each));
          const large = [...kept.values()].filter((each) => JSON.stringify(each).length > 20_000);
          expect([kept.size - locals.length <= policies, locals.length <= whole, large.length <= 1]).toEqual([true, true, true]);
          if (left.length === 0) expect(changes).toEqual(said);
        }
      }),
    );
  });

  it('includes every deviation that the list has room for, beside whole reports of any size', () => {
    const before = new Map([...keyed([local('a', { message: 'x'.repeat(30_000) })]), ['kept', deviation]]);
    const said = new Map([
      ['kept', other],
      ['new', deviation],
    ]);
    expect(keepWithin(before, said, { policies: 2, whole: 0, bytes: 1_000 })).toEqual({ changes: said, left: [] });
    expect(keepWithin(before, said, { policies: 1, whole: 0, bytes: 1_000 })).toEqual({
      changes: new Map([['kept', other]]),
      left: [deviation],
    });
  });

  it('includes a policy that has not grown where the quota was reduced', () => {
    const before = new Map<string, NamedPolicy>([
      ['local', local('local', { message: 'xx' })],
      ['whole', hubPolicy('whole', { message: 'xx' })],
      ['deviates', deviation],
    ]);
    const said = new Map<string, NamedPolicy>([
      ['new', deviation],
      ['local', local('local', { message: 'y' })],
      ['whole', hubPolicy('whole', { message: 'y' })],
      ['deviates', other],
    ]);
    const { changes, left } = keepWithin(before, said, { policies: 1, whole: 0, bytes: 1_000 });
    expect([[...changes.keys()], left]).toEqual([['local', 'whole', 'deviates'], [deviation]]);
  });

  it('prefers a policy of the hub to local ones, of which the least severe make room', () => {
    const before = new Map([...keyed([local('a', { phase: 'Failed' }), local('b'), local('c', { violations: 1 })])]);
    const room = { policies: 1, whole: 3, bytes: 13_000 };
    const { changes, left } = keepWithin(before, new Map([['h', hubPolicy('h')]]), room);
    expect([[...changes], left]).toEqual([
      [
        ['h', hubPolicy('h')],
        ['team/b', undefined],
      ],
      [local('b')],
    ]);
    const full = keepWithin(new Map(), new Map([...before, ['h', hubPolicy('h')]]), room);
    expect([[...full.changes.keys()], full.left]).toEqual([['team/a', 'team/c', 'h'], [local('b')]]);
    const large = new Map([['h', hubPolicy('h', { message: 'x'.repeat(13_000) })]]);
    expect(keepWithin(before, large, room)).toEqual({ changes: new Map(), left: [...large.values()] });
  });

  it('prefers failures and violations of a full report to the rest', () => {
    const all = keyed([local('a'), local('b', { violations: 1 }), local('c', { phase: 'Failed' })]);
    const { changes, left } = keepWithin(new Map(), all, { ...ROOM, whole: 2 });
    expect([[...changes.keys()], left]).toEqual([['team/b', 'team/c'], [local('a')]]);
  });

  it('excludes a policy that has grown beyond the quota', () => {
    const before = keyed([local('a')]);
    const { changes } = keepWithin(before, keyed([local('a', { message: 'x'.repeat(30_000) })]), { ...ROOM, bytes: 20_000 });
    expect([...changes]).toEqual([['team/a', undefined]]);
  });

  it('has room again once an eighth of the quota, or as much as is missing, is free', () => {
    const kept = keyed(Array.from({ length: 14 }, (_, at) => local(`p${at}`)));
    expect([16, 15, 14].map((whole) => hasRoom(kept, { notKept: 100 }, { ...ROOM, whole }))).toEqual([true, false, false]);
    expect(hasRoom(kept, { notKept: 1 }, { ...ROOM, whole: 15 })).toBe(true);
  });

  it('has no room as long as the smallest excluded policy does not fit', () => {
    const kept = keyed([local('a')]);
    const [large, ofHub] = [local('large', { message: 'x'.repeat(30_000) }), hubPolicy('ofHub', { message: 'x'.repeat(20_000) })];
    const roomOf = (left: readonly NamedPolicy[], quota: Partial<typeof ROOM>) =>
      hasRoom(kept, { notKept: 1, leftOut: joinLeftOut(NONE_LEFT_OUT, left) }, { ...ROOM, ...quota });
    expect([30_000, 40_000].map((bytes) => roomOf([large], { bytes }))).toEqual([false, true]);
    // What was applied in the cluster makes room for one of the hub.
    expect([20_000, 25_000].map((bytes) => roomOf([large, ofHub], { bytes, whole: 1 }))).toEqual([false, true]);
    expect([0, 1].map((policies) => roomOf([deviation], { bytes: 0, whole: 1, policies }))).toEqual([false, true]);
    expect(roomOf([], {})).toBe(false);
  });
});

describe('the memory of the reports of all clusters', () => {
  const names = Array.from({ length: 10 }, (_, at) => `c${at}`);
  const many = (count: number) => new Map(Array.from({ length: count }, (_, at) => [`team/p${at}`, local(`p${at}`)]));

  it('is bounded: once it is used up no cluster grows beyond an equal share', () => {
    const memory = new ReportMemory({ ...reportLimits(), totalBytes: 1_000_000 });
    const quota = (name = 'c1') => memory.quotaOf(neverSeenCluster(name), desired('r', names));
    expect(quota().bytes).toBe(16 * 1024 * 1024);
    memory.learn(new Map(), many(500));
    expect(quota().bytes).toBe(100_000);
    memory.learn(many(500), many(10));
    expect(quota().bytes).toBe(16 * 1024 * 1024);
  });

  it('has room in each cluster for its policies and its list, and as many others', () => {
    const memory = new ReportMemory({ ...reportLimits(), policies: 5 });
    const meant = commitFor('r', ['c1'], ['a', 'b']);
    const list = new PolicyList(
      'digest',
      ['a', 'b', 'c'].map((name) => listPolicy(compiledFor(name), 'r')),
    );
    const behind = { ...neverSeenCluster('c1'), policies: new ClusterPolicies(list, EMPTY_BASELINE, new Map()) };
    expect(memory.quotaOf(neverSeenCluster('c1'), null)).toMatchObject({ policies: 20_005, whole: 5 });
    expect(memory.quotaOf(neverSeenCluster('c1'), desired('r', names))).toMatchObject({ policies: 5, whole: 5 });
    expect([neverSeenCluster('c1'), behind].map((record) => memory.quotaOf(record, meant).policies)).toEqual([7, 8]);
  });
});
