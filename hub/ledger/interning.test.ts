import type { PolicyReport } from '@fso/shared/api';
import { internReport } from '@fso/shared/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { policyReport } from '../../test/harness/policy-reports.ts';
import { changePolicies, internPolicies, keysBetween } from './interning.ts';

const { lastUpdated: _time, ...short } = policyReport('a');

it('policies that only have the digest of others stay apart', () => {
  const report = internReport({ ...short });
  const one = internPolicies('d', new Map([['a', report]]));
  expect(internPolicies('d', new Map([['a', report]]))).toBe(one);
  for (const other of [new Map(), new Map([['b', report]]), new Map([['a', internReport({ ...short, violations: 1 })]])])
    expect(internPolicies('d', other)).toBe(other);
});

describe('policies of clusters that differ in a few', () => {
  const reports = ['Active', 'Failed', 'Pending'].map((phase) => ({ ...short, phase: phase as PolicyReport['phase'] }));
  const [active, failed] = reports as [PolicyReport, PolicyReport];
  const base = Array.from({ length: 200 }, (_, n) => [`p${n}`, active] as const);
  let digests = 0;
  const intern = (policies: ReadonlyMap<string, PolicyReport>) => {
    digests += 1;
    return internPolicies(`of ${digests}`, policies);
  };

  /** All that can be read of a map, each in its own way. */
  const readings = (policies: ReadonlyMap<string, PolicyReport>) => {
    const called = new Map<string, PolicyReport>();
    policies.forEach((report, key) => {
      called.set(key, report);
    });
    const keys = Array.from({ length: 222 }, (_, n) => `p${n}`);
    return {
      size: policies.size,
      entries: new Map(policies),
      called,
      keys: new Set(policies.keys()),
      values: new Set(policies.values()),
      got: keys.map((key) => [policies.get(key), policies.has(key)]),
    };
  };
  const change = fc.record({ key: fc.nat(220), report: fc.option(fc.constantFrom(...reports), { nil: undefined }) });
  const changed = (
    changes: readonly { readonly key: number; readonly report: PolicyReport | undefined }[],
    before: ReadonlyMap<string, PolicyReport> = new Map(base),
  ) => {
    const policies = new Map(before);
    for (const { key, report } of changes) {
      if (report === undefined) policies.delete(`p${key}`);
      else policies.set(`p${key}`, report);
    }
    return policies;
  };

  it('say what they would say by themselves, whatever came, went or differs', () => {
    fc.assert(
      fc.property(fc.array(fc.array(change, { maxLength: 40 }), { minLength: 1, maxLength: 6 }), (clusters) => {
        for (const changes of clusters) expect(readings(intern(changed(changes)))).toEqual(readings(changed(changes)));
      }),
      { numRuns: 100 },
    );
  });

  const differing = (a: ReadonlyMap<string, PolicyReport>, b: ReadonlyMap<string, PolicyReport>) =>
    new Set([...a.keys(), ...b.keys()].filter((key) => a.get(key) !== b.get(key)));

  it('say after changes, few or many, what they would say by themselves, and by which policies they differ from before', () => {
    const step = fc.record({ cluster: fc.nat(2), changes: fc.array(change, { maxLength: 12 }) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (all) => {
        const nothing: ReadonlyMap<string, PolicyReport> = new Map();
        const plain = Array.from({ length: 3 }, (): ReadonlyMap<string, PolicyReport> => changed([]));
        const shared = plain.map((policies) => internPolicies('base', policies));
        for (const { cluster, changes } of all) {
          const [before = nothing, was = nothing] = [shared[cluster], plain[cluster]];
          const now = changed(changes, was);
          digests += 1;
          const after = changePolicies(before, new Map(changes.map(({ key, report }) => [`p${key}`, report])), `after ${digests}`);
          expect(readings(after)).toEqual(readings(now));
          expect(new Set(keysBetween(before, after))).toEqual(differing(was, now));
          shared[cluster] = after;
          plain[cluster] = now;
        }
        const [[first = nothing], [other = nothing]] = [shared, plain];
        expect(shared.map((policies) => new Set(keysBetween(first, policies)))).toEqual(
          plain.map((policies) => differing(other, policies)),
        );
      }),
      { numRuns: 150 },
    );
  });

  it('that go the same way are one map from the second on, and are again what they were when they come back', () => {
    const own = new Map(base.map(([key], n) => [`own-${key}`, internReport({ ...short, name: `own-${n}` })]));
    const start = internPolicies('own', own);
    const step = new Map([['own-p3', internReport({ ...short, name: 'own-3', targetNamespace: 'other' })]]);
    const [first, second, third] = [changePolicies(start, step, 'x'), changePolicies(start, step, 'x'), changePolicies(start, step, 'x')];
    expect(second).toBe(third);
    expect(new Map(first)).toEqual(new Map(second));
    expect(keysBetween(start, second)).toEqual(['own-p3']);
    const [a, b] = [4, 5].map((n) => [`own-p${n}`, internReport({ ...short, name: `own-${n}`, targetNamespace: 'new' })] as const);
    const go = (...order: (typeof a)[]): ReturnType<typeof changePolicies> =>
      order.reduce(
        (policies, change, n) => changePolicies(policies, new Map(change && [change]), n === 0 ? `${change?.[0]}` : 'both'),
        start,
      );
    for (let times = 0; times < 3; times += 1)
      for (const order of [
        [a, b],
        [b, a],
      ])
        go(...order);
    expect(go(a, b)).toBe(go(b, a));
    const deviating = changePolicies(start, new Map([['own-p1', failed]]), 'y');
    expect(changePolicies(deviating, new Map([['own-p1', start.get('own-p1')]]), 'own')).toBe(start);
  });

  it('share a map, and keep only what is their own', () => {
    const common = internPolicies('base', new Map(base));
    const other = intern(new Map(base).set('p1', failed));
    expect(other).not.toBeInstanceOf(Map);
    expect(internPolicies('base', new Map(base))).toBe(common);
    // It differs in more than others are compared for.
    const unlike = new Map(base.map(([key]) => [`other-${key}`, active]));
    expect(intern(unlike)).toBe(unlike);
  });
});
