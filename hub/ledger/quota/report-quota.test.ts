import { type PolicyReport, policyKey } from '@fso/shared/api';
import { byText } from '@fso/shared/encoding';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { policy as localPolicy } from '../testing/ledger.ts';
import { bytesOf, hasRoom, keepWithin, noteChanges, type ReportQuota, weightOf, weightOfOne } from './report-quota.ts';

const QUOTA: ReportQuota = { policies: 5, local: 3, bytes: 1_000_000, weight: Number.POSITIVE_INFINITY };
const local = localPolicy;
const policy = (name: string, change: Partial<PolicyReport> = {}) => localPolicy(name, { managedBy: 'hub', ...change });
const failed = { phase: 'Failed' as const };

const mapOf = (...reports: readonly PolicyReport[]) => new Map(reports.map((report) => [policyKey(report), report]));
const namesOf = (keys: Iterable<string>): string[] => [...keys].map((key) => key.replace('policies/', '')).toSorted(byText);

const changed = (before: ReadonlyMap<string, PolicyReport>, changes: ReadonlyMap<string, PolicyReport | undefined>) => {
  const after = new Map(before);
  for (const [key, report] of changes) {
    if (report === undefined) after.delete(key);
    else after.set(key, report);
  }
  return after;
};

/** What a list becomes. */
const take = (before: ReadonlyMap<string, PolicyReport>, changes: ReadonlyMap<string, PolicyReport | undefined>, quota = QUOTA) => {
  const kept = keepWithin(before, changes, quota);
  const after = changed(before, kept.changes);
  noteChanges(before, kept.changes, after);
  return { after, kept: namesOf(after.keys()), notKept: namesOf(kept.notKept) };
};

describe('reports beyond the quota of a cluster', () => {
  it('are left out, of the local ones as of all', () => {
    const locals = take(new Map(), mapOf(local('a'), local('b'), local('c'), local('d')));
    expect(locals).toMatchObject({ kept: ['a', 'b', 'c'], notKept: ['d'] });
    expect(take(locals.after, mapOf(policy('e'), policy('f'), policy('g')))).toMatchObject({
      kept: ['a', 'b', 'e', 'f', 'g'],
      notKept: ['c'],
    });
  });

  it('take the places of less grave ones: failed or violated before all others, and of those the ones of the hub first', () => {
    const full = take(new Map(), mapOf(local('a'), local('b'), local('c'), policy('d'), policy('e')));
    expect(take(full.after, mapOf(local('bad', failed)))).toMatchObject({ kept: ['a', 'b', 'bad', 'd', 'e'], notKept: ['c'] });
    expect(take(full.after, mapOf(policy('bad', { violations: 1 })))).toMatchObject({ kept: ['a', 'b', 'bad', 'd', 'e'], notKept: ['c'] });
    expect(take(full.after, mapOf(policy('f')))).toMatchObject({ kept: ['a', 'b', 'd', 'e', 'f'], notKept: ['c'] });
    const bad = take(new Map(), mapOf(...['a', 'b', 'c'].map((name) => local(name, failed))));
    expect(take(bad.after, mapOf(local('d', failed)))).toMatchObject({ notKept: ['d'] });
  });

  it('leave what is kept where it is as long as nothing graver comes, also if it reads otherwise', () => {
    const full = take(new Map(), mapOf(local('a', failed), local('b'), local('c')));
    const changed = take(full.after, mapOf(local('a'), local('d'), local('b', { violations: 2 })));
    expect(changed).toMatchObject({ kept: ['a', 'b', 'c'], notKept: ['d'] });
    expect(changed.after.get('policies/b')?.violations).toBe(2);
  });

  it('are counted by their bytes, and a large one does not push out what it cannot replace', () => {
    const small = [local('a'), local('b')];
    const bytes = small.reduce((sum, report) => sum + bytesOf(report), 0);
    const full = take(new Map(), mapOf(...small), { ...QUOTA, bytes });
    expect(full.notKept).toEqual([]);
    const large = local('large', { ...failed, message: 'x'.repeat(10_000) });
    expect(take(full.after, mapOf(large), { ...QUOTA, bytes })).toMatchObject({ kept: ['a', 'b'], notKept: ['large'] });
    const bad = local('c', failed);
    expect(take(full.after, mapOf(bad), { ...QUOTA, bytes })).toMatchObject({ kept: ['a', 'c'], notKept: ['b'] });
  });

  it('keep their place in a list that is too long by now, unless they grow', () => {
    const full = take(new Map(), mapOf(policy('a'), policy('b'), policy('c')));
    const less = { ...QUOTA, policies: 2 };
    expect(take(full.after, mapOf(policy('a', { namespaces: [] })), less)).toMatchObject({ kept: ['a', 'b', 'c'], notKept: [] });
    expect(take(full.after, mapOf(policy('d')), less)).toMatchObject({ kept: ['a', 'b', 'c'], notKept: ['d'] });
  });

  it('cost nothing of what is kept, unless they take its place', () => {
    const full = take(new Map(), mapOf(local('a', failed), local('b', failed), local('c', failed))).after;
    const looked: string[] = [];
    const watched = new Proxy(full, {
      get: (map, name) => {
        if (name !== 'get' && name !== 'has') looked.push(String(name));
        const value: unknown = Reflect.get(map, name);
        return typeof value === 'function' ? value.bind(map) : value;
      },
    });
    keepWithin(watched, new Map(), QUOTA);
    // The first time all are counted.
    looked.length = 0;
    const more = Array.from({ length: 100 }, (_, at) => local(`d${at}`, failed));
    expect(keepWithin(watched, mapOf(...more), QUOTA).notKept.size).toBe(100);
    expect(looked).toEqual([]);
  });

  it('after any changes the list is within the quota, and nothing that was left out then is graver than what it has', () => {
    const report = fc
      .record({ name: fc.nat(30), isLocal: fc.boolean(), isBad: fc.boolean(), length: fc.nat(600), isGone: fc.boolean() })
      .map(({ name, isLocal, isBad, length, isGone }) => {
        const made = policy(`${isLocal ? 'l' : 'h'}${name}`, {
          managedBy: isLocal ? 'local' : 'hub',
          ...(isBad && failed),
          message: 'x'.repeat(length),
        });
        return [policyKey(made), isGone ? undefined : made] as const;
      });
    const quota = { ...QUOTA, policies: 12, local: 6, bytes: 9_000 };
    const isLocal = ({ managedBy }: PolicyReport): boolean => managedBy === 'local';
    const rank = (each: PolicyReport): number => (each.phase === 'Failed' ? 0 : 2) + Number(isLocal(each));
    fc.assert(
      fc.property(fc.array(fc.array(report, { maxLength: 20 }), { maxLength: 8 }), (steps) => {
        let before: ReadonlyMap<string, PolicyReport> = new Map();
        for (const step of steps) {
          const changes = new Map(step);
          const { changes: kept, notKept } = keepWithin(before, changes, quota);
          const after = changed(before, kept);
          noteChanges(before, kept, after);
          const reports = [...after.values()];
          const locals = reports.filter(isLocal);
          expect([reports.length <= quota.policies, locals.length <= quota.local]).toEqual([true, true]);
          const bytes = reports.reduce((sum, each) => sum + bytesOf(each), 0);
          const weight = reports.reduce((sum, each) => sum + weightOfOne(each), 0);
          expect([weightOf(after), bytes <= quota.bytes]).toEqual([weight, true]);
          expect([...notKept].filter((key) => after.has(key))).toEqual([]);
          // One that stays out though something less grave is kept is larger than all of that.
          const worst = Math.max(0, ...locals.map(rank));
          const left = [...notKept].flatMap((key) => changes.get(key) ?? before.get(key) ?? []);
          for (const each of left.filter((other) => rank(other) < worst)) expect(bytesOf(each) + bytes).toBeGreaterThan(quota.bytes);
          before = after;
        }
      }),
    );
  });

  it('are worth being asked for once a good part of the quota is free', () => {
    const quota = { ...QUOTA, policies: 20, local: 16 };
    const some = (count: number) => mapOf(...Array.from({ length: count }, (_, at) => local(`p${at}`)));
    const room = (count: number, missing: number | null) => hasRoom(some(count), quota, missing);
    expect([room(16, null), room(15, null), room(14, null)]).toEqual([false, false, true]);
    expect(hasRoom(some(1), { ...quota, bytes: bytesOf(local('p0')) }, 1)).toBe(false);
  });

  it('are worth being asked for once all that is missing fits', () => {
    const one = bytesOf(local('p0'));
    const quota = { ...QUOTA, policies: 20, local: 16, bytes: 16 * one };
    const some = mapOf(...Array.from({ length: 15 }, (_, at) => local(`p${at % 10}${at}`)));
    const bytes = [...some.values()].reduce((sum, report) => sum + bytesOf(report), 0);
    const room = (missing: number, free: number) => hasRoom(some, { ...quota, bytes: bytes + free }, missing);
    expect([room(1, 2 * one), room(2, 2 * one), room(1, one / 2)]).toEqual([true, false, false]);
  });

  it('weigh by their labels and lists as well, which take several times their text in memory', () => {
    const labels = Object.fromEntries(Array.from({ length: 64 }, (_, at) => [`k${at}`, '']));
    const labelled = policy('a', { namespaceLabels: [{ namespace: 'a', labels }] });
    const text = bytesOf(labelled) - bytesOf(policy('a'));
    expect(weightOfOne(labelled) - weightOfOne(policy('a'))).toBe(text + 6_400);
    const spread = policy('a', { namespaces: Array.from({ length: 1_001 }, (_, at) => `n${at}`) });
    const less = policy('a', { namespaces: ['n'] });
    expect(weightOfOne(spread) - weightOfOne(less)).toBe(bytesOf(spread) - bytesOf(less) + 32_000);
  });
});
