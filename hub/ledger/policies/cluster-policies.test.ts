import { isUnlisted, type PolicyReport, policyKey } from '@fso/shared/api';
import { compileFleet, digestOfPolicies } from '@fso/shared/compile';
import { byText } from '@fso/shared/encoding';
import {
  type Baseline,
  encodeBitmap,
  expectedReport,
  governedNamespaces,
  isGlobPolicy,
  isWhole,
  type NamedPolicy,
  standingOf,
} from '@fso/shared/status';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { clusterFile, policyFile, setOf } from '../../../shared/decode/testing/decoded.ts';
import { baselineOf } from '../../../test/harness/baselines.ts';
import { policyReport } from '../../../test/harness/policy-reports.ts';
import type { Desired } from '../types.ts';
import { ClusterPolicies, keysBetween, UnlistedPolicies } from './cluster-policies.ts';
import { PolicyList } from './policy-list.ts';
import { PolicyLists } from './policy-lists.ts';

const CLUSTERS = [clusterFile('eu', ['eu-west-1']), clusterFile('us', ['us-east-1'])];
const NAMES = ['a', 'b', 'c', 'd', 'pay-*'];

interface Version {
  readonly expires: boolean;
  readonly region: string;
  readonly isPlaced: boolean;
}

const version = fc.record<Version>({
  expires: fc.boolean(),
  region: fc.constantFrom('eu-west-1', 'us-east-1'),
  isPlaced: fc.boolean(),
});
/** Policies of one commit, by target. */
const commit = fc.dictionary(fc.constantFrom(...NAMES), version, { noNullPrototype: true });

const desiredOf = (revision: string, policies: Readonly<Record<string, Version>>): Desired => {
  const files = Object.entries(policies).map(([target, { expires, region, isPlaced }]) => ({
    ...policyFile(target.replace('*', 'all'), {
      targetNamespace: target,
      allowedRegions: [region],
      ...(expires && { expiryDate: '2026-06-01T00:00:00Z' }),
      ...(isPlaced && { placement: { clusterNames: ['us'] } }),
    }),
    path: `policies/${target.replace('*', 'all')}.yaml`,
  }));
  const set = setOf(...CLUSTERS, ...files);
  return { revision, set, clusters: new Map([...compileFleet(set)].map(([cluster, { policies: list }]) => [cluster, list])) };
};

/** Statement of a cluster at one moment. */
interface Said {
  readonly bits: readonly boolean[];
  readonly isLate: boolean;
  readonly gatekeeper: boolean;
  readonly namespaces: readonly string[];
  readonly failed: readonly string[];
}

const said = fc.record<Said>({
  bits: fc.array(fc.boolean(), { minLength: NAMES.length, maxLength: NAMES.length }),
  isLate: fc.boolean(),
  gatekeeper: fc.boolean(),
  namespaces: fc.subarray(['pay-a', 'pay-b']),
  failed: fc.subarray(['a', 'b', 'gone']),
});

/** Deviation shared by all clusters in which a policy fails like that. */
const failure = standingOf(policyReport('any', { phase: 'Failed', violations: 2 }));
const local = policyReport('own', { namespace: 'team', managedBy: 'local' });

/** The rule, one policy at a time. */
const readNaively = ({ list, baseline, named }: ClusterPolicies, key: string): PolicyReport | undefined => {
  const own = named.get(key);
  const policy = list.get(key);
  if (own !== undefined && isWhole(own)) return own;
  const deviates = expect.objectContaining({ phase: 'Failed', violations: 2, name: key, conditions: [expect.anything()] });
  if (policy === undefined) return own && deviates;
  const isExpired = policy.expiryDate !== undefined && Date.parse(policy.expiryDate) <= Date.parse(baseline.asOf);
  const isMissing = ((Buffer.from(baseline.missing, 'base64')[Math.floor(list.bitOf(key) / 8)] ?? 0) >> (list.bitOf(key) % 8)) % 2 === 1;
  const names = isGlobPolicy(policy) ? governedNamespaces(policy, baseline.namespaces, baseline.profile) : [policy.targetNamespace];
  if (own !== undefined)
    return expect.objectContaining({
      ...deviates.sample,
      revision: policy.since,
      effectiveRegions: policy.effectiveRegions,
      namespaces: names,
    });
  return expectedReport(policy, baseline.profile, { isExpired, namespaces: isMissing ? [] : names });
};

const states = (commits: readonly Readonly<Record<string, Version>>[], says: readonly Said[]): ClusterPolicies[] => {
  const lists = new PolicyLists();
  return commits.flatMap((policies, at) => {
    const desired = desiredOf(`r${at}`, policies);
    lists.takeCommit(desired, () => undefined);
    const known = [...desired.clusters.values()].map((list) => digestOfPolicies(list));
    return says.map(({ bits, isLate, gatekeeper, namespaces, failed }, turn) => {
      const list = lists.get(known[turn % known.length] ?? '');
      if (list === undefined) throw new Error('no list');
      const asOf = isLate ? '2026-07-01T00:00:00Z' : '2026-01-01T00:00:00Z';
      const base = baselineOf(list.digest);
      const baseline: Baseline = {
        ...base,
        asOf,
        profile: { ...base.profile, gatekeeper },
        namespaces: [...namespaces],
        missing: encodeBitmap(list.policies.length, (bit) => bits[bit] === true),
      };
      const named = failed.map((name): [string, NamedPolicy] => [name, failure]);
      return new ClusterPolicies(list, baseline, new Map([...named, [policyKey(local), local]]));
    });
  });
};

const differing = (before: ClusterPolicies, after: ClusterPolicies): string[] => {
  const textOf = (policies: ClusterPolicies, key: string) => JSON.stringify(policies.get(key));
  return [...new Set([...before.keys(), ...after.keys()])].filter((key) => textOf(before, key) !== textOf(after, key));
};

describe('the policies of a cluster over a baseline', () => {
  it('follow the rule, each alone, as a map, and in part', () => {
    fc.assert(
      fc.property(fc.array(commit, { minLength: 1, maxLength: 3 }), fc.array(said, { minLength: 1, maxLength: 3 }), (commits, says) => {
        for (const policies of states(commits, says)) {
          const keys = new Set([...policies.list.policies.map(({ name }) => name), ...policies.named.keys()]);
          expect([...policies.keys()].toSorted(byText)).toEqual([...keys].toSorted(byText));
          expect(policies.size).toBe(keys.size);
          for (const key of keys) expect(policies.get(key)).toEqual(readNaively(policies, key));
          expect(new Map(policies)).toEqual(new Map([...policies.keys()].map((key) => [key, policies.get(key)])));
          expect([policies.get('none'), policies.has('none')]).toEqual([undefined, false]);
          const seen = new Set([...keys].filter((key) => key !== 'a' && policies.list.has(key)));
          const part = new ClusterPolicies(policies.list, policies.baseline, new Map(), seen);
          expect([...part.keys()].toSorted(byText)).toEqual([...seen].toSorted(byText));
          expect([part.size, part.get('a'), part.has('a')]).toEqual([seen.size, undefined, false]);
        }
      }),
    );
  });

  it('differ where their state differs, with any policies between two of them', () => {
    fc.assert(
      fc.property(fc.array(commit, { minLength: 1, maxLength: 3 }), fc.array(said, { minLength: 2, maxLength: 4 }), (commits, says) => {
        const all = states(commits, says);
        for (const [before, after] of all.flatMap((one) => all.map((other) => [one, other] as const))) {
          const found = keysBetween(before, after);
          // Globs are read as a new object by each map: then a few more may be found.
          expect(found).toEqual(expect.arrayContaining(differing(before, after)));
          expect(found.filter((key) => before.get(key) === after.get(key))).toEqual([]);
          expect(keysBetween(before, before)).toEqual([]);
        }
      }),
    );
  });
});

describe('a policy of which the hub does not know what its cluster asks for', () => {
  const violated = standingOf(policyReport('any', { violations: 2, conditions: [] }));
  const part = new PolicyList('d', [], { size: 2, bits: new Map() });
  const clusters = {
    part: (named: ReadonlyMap<string, NamedPolicy>) => new ClusterPolicies(part, baselineOf('d'), named),
    none: (named: ReadonlyMap<string, NamedPolicy>) => new UnlistedPolicies(named),
  };

  it.each(['part', 'none'] as const)('is at best Pending, without its action, while the list is: %s', (known) => {
    const read = (deviation: NamedPolicy) => clusters[known](new Map([['a', deviation]])).get('a');
    const report = read(violated);
    expect(report).toMatchObject({ phase: 'Pending', violations: 2, conditions: [{ status: 'False', reason: 'Unlisted' }] });
    expect(report?.message).toContain('the hub does not know the list');
    expect(Object.values(report?.enforcement ?? {}).map(({ state }) => state)).not.toContain('Enforced');
    expect(report?.enforcementAction).not.toBe('deny');
    expect(report && isUnlisted(report)).toBe(true);
    expect(read(failure)).toMatchObject({ phase: 'Failed' });
    const waiting = standingOf(policyReport('any', { phase: 'Pending', conditions: [] }));
    expect(read(waiting)).toMatchObject({ phase: 'Pending', conditions: [{ reason: 'Pending' }] });
  });

  it('is the same object in each map, so that another report changes only what it names', () => {
    const named = new Map<string, NamedPolicy>([
      ['whole', policyReport('whole')],
      ['deviates', violated],
    ]);
    const before = new UnlistedPolicies(named);
    expect(before.get('whole')).toMatchObject({ phase: 'Pending' });
    expect(keysBetween(before, new UnlistedPolicies(new Map([...named, ['other', failure]])))).toEqual(['other']);
  });
});
