import { effectivePhase, type PolicyInCluster, type PolicyReport, type PolicySummary, policyKey } from '@fso/shared/api';
import { byText } from '@fso/shared/encoding';
import { EMPTY_DIGEST } from '@fso/shared/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ClusterRecord, Desired } from '../../ledger/index.ts';
import { clusterReport, desiredOf, FILES, OLD_REVISION, policyReport, REVISION, TIME } from '../testing/fleet.ts';
import { createFleetIndex, type Fleet, type FleetInput } from './fleet-index.ts';
import { SEVERITY } from './phases.ts';
import { headFromReport, headsFromGit, type PolicyHead } from './policy-head.ts';

/** What the index must show, computed from nothing each time and as plainly as it can be said. */

/** Retired clusters, which are neither registered nor connected, count for nothing. */
const membersOf = ({ desired, clusters }: FleetInput): ClusterRecord[] =>
  clusters.filter(({ name, connected }) => connected || desired === null || desired.clusters.has(name));

const rowsOf = (knowledge: FleetInput, key: string): PolicyInCluster[] =>
  membersOf(knowledge)
    .filter(({ name, policies }) => policies.has(key) || knowledge.desired?.clusters.get(name)?.some((policy) => policy.name === key))
    .map(({ name, connected, notObserved, policies, policiesChanged }) => {
      const report = policies.get(key) ?? null;
      const fresh = connected && notObserved === null;
      return { cluster: name, fresh, report, changed: report === null ? null : (report.lastUpdated ?? policiesChanged) };
    })
    .sort((a, b) => byText(a.cluster, b.cluster));

const keysOf = (knowledge: FleetInput): string[] => {
  const { desired } = knowledge;
  const inGit = desired ? [...headsFromGit(desired.set).keys()] : [];
  return [...new Set([...inGit, ...membersOf(knowledge).flatMap(({ policies }) => [...policies.keys()])])].sort(byText);
};

const reportsOf = (rows: readonly PolicyInCluster[]): PolicyReport[] => rows.flatMap(({ report }) => (report === null ? [] : [report]));
const sum = (numbers: readonly number[]): number => numbers.reduce((total, each) => total + each, 0);

const countsOf = (rows: readonly PolicyInCluster[]) => {
  const count = (phase: string): number => rows.filter((row) => effectivePhase(row) === phase).length;
  return { total: rows.length, active: count('Active'), failed: count('Failed'), pending: count('Pending'), expired: count('Expired') };
};

const headOf = ({ desired }: FleetInput, key: string, rows: readonly PolicyInCluster[]): PolicyHead => {
  const inGit = desired && headsFromGit(desired.set).get(key);
  const [first] = reportsOf(rows);
  if (inGit) return inGit;
  if (first === undefined) throw new Error(`nobody describes ${key}`);
  return headFromReport(first);
};

const summaryOf = (knowledge: FleetInput, key: string): PolicySummary => {
  const rows = rowsOf(knowledge, key);
  const reports = reportsOf(rows);
  const states = (lock: keyof PolicyReport['enforcement']): Record<string, number> => {
    const all = reports.map(({ enforcement }) => enforcement[lock].state);
    return Object.fromEntries([...new Set(all)].map((state) => [state, all.filter((each) => each === state).length]));
  };
  return {
    ...headOf(knowledge, key, rows),
    phase: SEVERITY.find((phase) => rows.some((row) => effectivePhase(row) === phase)) ?? 'Pending',
    violations: sum(reports.map(({ violations }) => violations)),
    clusters: { ...countsOf(rows), connected: rows.filter(({ fresh }) => fresh).length },
    locks: { admission: states('admission'), gatekeeper: states('gatekeeper'), binding: states('binding') },
    namespaces: sum(reports.map(({ namespaces }) => namespaces.length)),
    lastUpdated:
      rows
        .flatMap(({ changed }) => changed ?? [])
        .sort(byText)
        .at(-1) ?? null,
  };
};

const expected = (knowledge: FleetInput) => {
  const keys = keysOf(knowledge);
  const clusters = [...knowledge.clusters].sort((a, b) => byText(a.name, b.name));
  const members = membersOf(knowledge);
  return {
    summaries: keys.map((key) => summaryOf(knowledge, key)),
    rows: keys.map((key) => rowsOf(knowledge, key)),
    governed: keys.map((key) => [...new Set(reportsOf(rowsOf(knowledge, key)).flatMap(({ namespaces }) => namespaces))].sort(byText)),
    conflicts: keys.map((key) => reportsOf(rowsOf(knowledge, key)).filter(({ conditions }) => conditions.length > 0).length),
    clusters: clusters.map(({ name, policies }) => ({
      name,
      policies: countsOf(keys.flatMap((key) => rowsOf(knowledge, key).filter(({ cluster }) => cluster === name))),
      violations: members.some((member) => member.name === name) ? sum([...policies.values()].map(({ violations }) => violations)) : 0,
      registered: knowledge.desired?.clusters.has(name) === true,
    })),
    members: members.map(({ name }) => name).sort(byText),
    violations: clusters
      .filter((cluster) => members.includes(cluster))
      .flatMap(({ name, policies }) =>
        [...policies]
          .flatMap(([key, { violationSamples }]) => violationSamples.map((violation) => `${name}/${key}/${violation.name}`))
          .sort(byText),
      ),
  };
};

const shown = (fleet: Fleet): ReturnType<typeof expected> => ({
  summaries: fleet.policies().map((policy) => policy.summary()),
  rows: fleet.policies().map((policy) => policy.view().clusters),
  governed: fleet.policies().map(({ tally }) => [...tally.namespaces.keys()].sort(byText)),
  conflicts: fleet.policies().map(({ tally }) => tally.conflicts),
  clusters: fleet.clusters().map(({ view, violations }) => ({
    name: view.name,
    policies: view.policies,
    violations,
    registered: view.regions.length > 0,
  })),
  members: fleet.members().map(({ record: { name } }) => name),
  violations: fleet.violations().map(({ view }) => `${view.cluster}/${view.policy}/${view.name}`),
});

const COMMITS: readonly (Desired | null)[] = [
  null,
  desiredOf(),
  desiredOf(OLD_REVISION),
  // Without the cluster us, and without the policy hr.
  desiredOf(
    OLD_REVISION,
    FILES.filter(({ path }) => !/us|hr/.test(path)),
  ),
];

const lock = fc.constantFrom('Pending', 'Enforced', 'Degraded').map((state) => ({ state, since: TIME }));
const conflict = { type: 'Conflict', status: 'True' as const, lastTransitionTime: TIME, reason: 'NoRegionLeft', message: '' };
const policy: fc.Arbitrary<PolicyReport> = fc
  .record({
    name: fc.constantFrom('finance', 'hr', 'gone'),
    namespace: fc.constantFrom('federated-sovereignty-system', 'local'),
    phase: fc.constantFrom('Active', 'Failed', 'Pending', 'Expired'),
    targetNamespace: fc.constantFrom('a', 'b'),
    namespaces: fc.uniqueArray(fc.constantFrom('a', 'b', 'c')),
    violations: fc.nat(3),
    conditions: fc.array(fc.constant(conflict), { maxLength: 1 }),
    isShort: fc.boolean(),
    lastUpdated: fc.constantFrom('2026-01-01T00:00:00.000Z', '2026-01-02T00:00:00.000Z', '2026-01-03T00:00:00.000Z'),
    enforcement: fc.record({ admission: lock, gatekeeper: lock, binding: lock }),
  })
  .map(({ isShort, ...change }) => {
    const workload = { kind: 'Pod', namespace: 'a', reason: 'outside', since: TIME };
    const violationSamples = Array.from({ length: change.violations }, (_, n) => ({ ...workload, name: `pod-${n}` }));
    const { lastUpdated, ...rest } = policyReport(change.name, { ...change, violationSamples });
    return isShort ? rest : { ...rest, lastUpdated };
  });
const NOT_OBSERVED = { since: TIME, what: ['Pod'] };
const record: fc.Arbitrary<ClusterRecord> = fc
  .record({
    name: fc.constantFrom('eu', 'us', 'stray'),
    connected: fc.boolean(),
    isObserved: fc.boolean(),
    policies: fc.uniqueArray(policy, { selector: policyKey, maxLength: 4 }),
  })
  .map(({ name, connected, isObserved, policies }) => ({
    name,
    connected,
    notObserved: connected && !isObserved ? NOT_OBSERVED : null,
    notKept: null,
    lastSeen: TIME,
    offeredRevision: null,
    acked: { revision: REVISION, digest: null },
    nack: null,
    report: clusterReport(),
    policies: new Map(policies.map((each) => [policyKey(each), each])),
    policiesChanged: TIME,
    reportedSeq: 1,
    reportedDigest: EMPTY_DIGEST,
  }));

/** What may happen between two questions. */
const step = fc.oneof(
  record.map((next) => (known: Map<string, ClusterRecord>) => void known.set(next.name, next)),
  // A part of a report changes, the rest stays the very same objects.
  fc.tuple(fc.constantFrom('eu', 'us', 'stray'), policy).map(([name, changed]) => (known: Map<string, ClusterRecord>) => {
    const before = known.get(name);
    if (before) known.set(name, { ...before, policies: new Map(before.policies).set(policyKey(changed), changed) });
  }),
  fc.constantFrom('eu', 'us', 'stray').map((name) => (known: Map<string, ClusterRecord>) => {
    const before = known.get(name);
    if (before) known.set(name, { ...before, connected: !before.connected, notObserved: null });
  }),
  fc.constantFrom('eu', 'us', 'stray').map((name) => (known: Map<string, ClusterRecord>) => {
    const before = known.get(name);
    if (before?.connected === true) known.set(name, { ...before, notObserved: before.notObserved === null ? NOT_OBSERVED : null });
  }),
  fc.constantFrom('eu', 'us', 'stray').map((name) => (known: Map<string, ClusterRecord>) => void known.delete(name)),
);

describe('the fleet index', () => {
  it('shows after any changes what there is, as if it had been put together from nothing', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(step, fc.constantFrom(...COMMITS)), { maxLength: 12 }), (steps) => {
        const index = createFleetIndex();
        const known = new Map<string, ClusterRecord>();
        for (const [change, desired] of steps) {
          change(known);
          const knowledge = { desired, clusters: [...known.values()] };
          expect(shown(index.update(knowledge))).toEqual(expected(knowledge));
        }
      }),
      { numRuns: 300 },
    );
  });

  it('keeps what did not change', () => {
    const index = createFleetIndex();
    const desired = desiredOf();
    const report = policyReport('finance');
    const eu: ClusterRecord = {
      name: 'eu',
      connected: true,
      notObserved: null,
      notKept: null,
      lastSeen: TIME,
      offeredRevision: null,
      acked: null,
      nack: null,
      report: null,
      policies: new Map([[policyKey(report), report]]),
      policiesChanged: TIME,
      reportedSeq: 1,
      reportedDigest: EMPTY_DIGEST,
    };
    const before = index
      .update({ desired, clusters: [eu] })
      .policy('hr')
      ?.summary();
    const later = {
      ...eu,
      policies: new Map(eu.policies).set('finance', policyReport('finance', { phase: 'Failed' })),
    };
    const fleet = index.update({ desired, clusters: [later] });
    expect(fleet.policy('finance')?.summary().phase).toBe('Failed');
    expect(fleet.policy('hr')?.summary()).toBe(before);
  });
});
