import { effectivePhase, isNamespaceMissing, type PolicyInCluster, type PolicyReport, type PolicySummary } from '@fso/shared/api';
import { byText } from '@fso/shared/encoding';
import type { ClusterRecord } from '../../ledger/index.ts';
import { viewOf } from '../fleet/cluster-entry.ts';
import type { Fleet, FleetInput } from '../fleet/fleet-index.ts';
import { SEVERITY } from '../fleet/phases.ts';
import { headFromReport, headsFromGit, type PolicyHead } from '../fleet/policy-head.ts';

/**
 * The expected content of the index, computed from scratch each time and as simply as possible,
 * over records whose policies are plain maps.
 */

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

const missingOf = (rows: readonly PolicyInCluster[]): readonly number[] =>
  [true, false].map((fresh) => rows.filter((row) => row.fresh === fresh && row.report !== null && isNamespaceMissing(row.report)).length);

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

/** Computes what the read model of a fleet must say, in the simplest way. */
export const expectedFleet = (knowledge: FleetInput) => {
  const keys = keysOf(knowledge);
  const clusters = [...knowledge.clusters].sort((a, b) => byText(a.name, b.name));
  const members = membersOf(knowledge);
  return {
    summaries: keys.map((key) => summaryOf(knowledge, key)),
    rows: keys.map((key) => rowsOf(knowledge, key)),
    missing: keys.map((key) => missingOf(rowsOf(knowledge, key))),
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

/** The actual content of the index. */
export const shownFleet = (fleet: Fleet): ReturnType<typeof expectedFleet> => ({
  summaries: fleet.policies().map((policy) => policy.summary()),
  rows: fleet.policies().map((policy) => policy.view().clusters),
  missing: fleet.policies().map(({ tally: { missing } }) => [missing.known, missing.old]),
  governed: fleet.policies().map(({ tally }) => [...tally.namespaces.keys()].sort(byText)),
  conflicts: fleet.policies().map(({ tally }) => tally.conflicts),
  clusters: fleet.clusters().map((entry) => {
    const { name, policies, regions } = viewOf(entry);
    return { name, policies, violations: entry.violations, registered: regions.length > 0 };
  }),
  members: fleet.members().map(({ record: { name } }) => name),
  violations: fleet.violations().map(({ view }) => `${view.cluster}/${view.policy}/${view.name}`),
});
