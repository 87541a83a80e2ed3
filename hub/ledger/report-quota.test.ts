import type { PolicyReport } from '@fso/shared/api';
import { type NamedPolicy, standingOf } from '@fso/shared/status';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { policyReport } from '../../test/harness/policy-reports.ts';
import { hasRoom, keepWithin, ReportMemory, reportLimits } from './report-quota.ts';
import { desired } from './testing/ledger.ts';

const local = (name: string, change: Partial<PolicyReport> = {}): PolicyReport =>
  policyReport(name, { namespace: 'team', managedBy: 'local', ...change });
const deviation = standingOf(policyReport('any', { phase: 'Failed' }));
const keyed = (named: readonly PolicyReport[]): ReadonlyMap<string, NamedPolicy> =>
  new Map(named.map((each) => [`team/${each.name}`, each]));
const ROOM = { policies: 100, whole: 100, bytes: 1e9 };

describe('what is kept of the reports of a cluster', () => {
  const NAMED = {
    deviates: () => deviation,
    whole: (key: string) => local(key),
    large: (key: string) => local(key, { message: 'x'.repeat(20_000) }),
    gone: () => undefined,
  } as const;
  const fates = fc.constantFrom<keyof typeof NAMED>('deviates', 'whole', 'large', 'gone');

  it('is as much as its quota has room for, whatever comes and goes', () => {
    const step = fc.dictionary(fc.constantFrom('a', 'b', 'c', 'd', 'e'), fates, { noNullPrototype: true });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 6 }), fc.nat(5), fc.nat(3), (steps, policies, whole) => {
        let kept: ReadonlyMap<string, NamedPolicy> = new Map();
        for (const drawn of steps) {
          const said = new Map(Object.entries(drawn).map(([key, fate]) => [key, NAMED[fate](key)]));
          const { changes, isAll } = keepWithin(kept, said, { policies, whole, bytes: 30_000 });
          kept = new Map([...new Map([...kept, ...changes])].flatMap(([key, named]) => (named === undefined ? [] : [[key, named]])));
          const reports = [...kept.values()].filter((each) => each !== deviation);
          const large = reports.filter((each) => JSON.stringify(each).length > 20_000);
          expect([kept.size <= policies, reports.length <= whole, large.length <= 1]).toEqual([true, true, true]);
          if (isAll) expect(changes).toEqual(said);
        }
      }),
    );
  });

  it('is of a full report what failed or is violated before the rest', () => {
    const all = keyed([local('a'), local('b', { violations: 1 }), local('c', { phase: 'Failed' })]);
    const { changes, isAll } = keepWithin(new Map(), all, { ...ROOM, whole: 2 });
    expect([[...changes.keys()], isAll]).toEqual([['team/b', 'team/c'], false]);
  });

  it('is not a policy that has grown beyond the quota', () => {
    const before = keyed([local('a')]);
    const { changes } = keepWithin(before, keyed([local('a', { message: 'x'.repeat(30_000) })]), { ...ROOM, bytes: 20_000 });
    expect([...changes]).toEqual([['team/a', undefined]]);
  });

  it('has room again once an eighth of the quota is free, or as much as is missing', () => {
    const kept = keyed(Array.from({ length: 14 }, (_, at) => local(`p${at}`)));
    expect([16, 15, 14].map((whole) => hasRoom(kept, { ...ROOM, whole }, 100))).toEqual([true, false, false]);
    expect(hasRoom(kept, { ...ROOM, whole: 15 }, 1)).toBe(true);
  });
});

describe('the memory of the reports of all clusters', () => {
  const names = Array.from({ length: 10 }, (_, at) => `c${at}`);
  const many = (count: number) => new Map(Array.from({ length: count }, (_, at) => [`team/p${at}`, local(`p${at}`)]));

  it('is bounded: once it is used up no cluster grows beyond an equal share', () => {
    const memory = new ReportMemory({ ...reportLimits(), totalBytes: 1_000_000 });
    const quota = (name = 'c1') => memory.quotaOf({ name }, desired('r', names));
    expect(quota().bytes).toBe(16 * 1024 * 1024);
    memory.learn(new Map(), many(500));
    expect(quota().bytes).toBe(100_000);
    memory.learn(many(500), many(10));
    expect(quota().bytes).toBe(16 * 1024 * 1024);
  });

  it('has for each cluster the policies that it is meant to have, and as many others', () => {
    const memory = new ReportMemory({ ...reportLimits(), policies: 5 });
    expect(memory.quotaOf({ name: 'c1' }, null)).toMatchObject({ policies: 20_005, whole: 5 });
    expect(memory.quotaOf({ name: 'c1' }, desired('r', names))).toMatchObject({ policies: 5, whole: 5 });
  });
});
