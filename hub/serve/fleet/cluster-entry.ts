import {
  type AgentClusterReport,
  type ClusterReport,
  type ClusterView,
  CONDITIONS,
  type EnforcementAction,
  isUnlisted,
  type ManagedClusterDocument,
  type PolicyReport,
  type Risk,
  type RiskCounts,
  type RiskView,
  type StatusView,
  type ViolationView,
} from '@fso/shared/api';
import type { CompiledPolicy } from '@fso/shared/compile';
import { byText } from '@fso/shared/encoding';
import { weakMemo } from '@fso/shared/runtime';
import { type ClusterRecord, type Desired, namedIn } from '../../ledger/index.ts';
import { type NamedFinding, nameFindings } from './findings/findings.ts';
import { isKnown, type PhaseCounts } from './phases.ts';

/** Violation that an agent reports by name, with a key that is unique among all violations. */
export type NamedViolation = NamedFinding<ViolationView>;

/** Owner at risk that an agent reports by name, with a unique key. */
export type NamedRisk = NamedFinding<RiskView>;

/** State of a cluster at one moment. Immutable: a change creates a new entry. */
export interface ClusterEntry {
  readonly record: ClusterRecord;
  readonly desired: Desired | null;
  /** Policies that Git has for the cluster. */
  readonly meant: readonly CompiledPolicy[];
  /** Registration; undefined: the cluster is not registered, or no longer. */
  readonly registration: ManagedClusterDocument | undefined;
  /**
   * Whether the cluster is neither registered nor connected. Only its last report is left, and it
   * is left out of the counts.
   */
  readonly retired: boolean;
  readonly phases: Readonly<PhaseCounts>;
  readonly violations: number;
  /**
   * Violations that are reported by name: at most 20 of the hub's policies, and 20 of each local
   * policy. `violations` counts all.
   */
  readonly named: readonly NamedViolation[];
  /** Number of owners at risk, including those that are not reported by name. */
  readonly risks: RiskCounts;
  /** Owners at risk that are reported by name, limited as `named`. */
  readonly namedRisks: readonly NamedRisk[];
  /** Facts by which the status counts clusters, as returned by {@link factsOf}. */
  readonly counted: number;
}

/**
 * Returns the named violations of a policy in a cluster: from the report of the cluster, or from
 * that of the policy if it is a whole report.
 */
export const samplesOf = ({ report, policies }: ClusterRecord, policy: string): PolicyReport['violationSamples'] => {
  const own = policies.get(policy)?.violationSamples ?? [];
  if (own.length > 0) return own;
  return (report?.violationSamples ?? []).flatMap(({ policy: of, ...violation }) => (of === policy ? [violation] : []));
};

/** Adds the named violations to the report of a policy. */
export const withSamples = (record: ClusterRecord, key: string, report: PolicyReport | undefined): PolicyReport | null => {
  if (report === undefined || report.violations === 0) return report ?? null;
  const violationSamples = samplesOf(record, key);
  return violationSamples.length === report.violationSamples.length ? report : { ...report, violationSamples };
};

const actionsOf = weakMemo(
  (meant: readonly CompiledPolicy[]): ReadonlyMap<string, EnforcementAction> =>
    new Map(meant.map(({ name, spec }) => [name, spec.enforcementAction])),
);

/**
 * Returns the action of a policy in a cluster. If the cluster's own list is unknown, that is the
 * action in the newest commit.
 */
export const actionIn = (meant: ClusterEntry['meant'], policy: string, report: PolicyReport): EnforcementAction =>
  (isUnlisted(report) ? actionsOf(meant).get(policy) : undefined) ?? report.enforcementAction;

/** Named violations sorted by policy, namespace, kind and name. Conforming policies have none. */
export const namedViolations = ({ record, meant }: Pick<ClusterEntry, 'record' | 'meant'>): readonly NamedViolation[] => {
  const named: NamedViolation[] = [];
  for (const [policy, { violations }] of namedIn(record.policies)) {
    const report = violations === 0 ? undefined : record.policies.get(policy);
    if (report === undefined) continue;
    const enforcementAction = actionIn(meant, policy, report);
    named.push(...nameFindings(samplesOf(record, policy), { cluster: record.name, policy, enforcementAction }));
  }
  return named.sort((a, b) => byText(a.key, b.key));
};

/** Returns the named owners at risk of a policy in a cluster; see {@link samplesOf}. */
const risksOf = ({ report, policies }: ClusterRecord, policy: string): readonly Risk[] => {
  const own = policies.get(policy)?.risks?.named ?? [];
  if (own.length > 0) return own;
  return (report?.riskSamples ?? []).flatMap(({ policy: of, ...risk }) => (of === policy ? [risk] : []));
};

/** Named owners at risk sorted by policy, namespace, kind and name. */
export const namedRisks = (record: ClusterRecord): readonly NamedRisk[] => {
  const named: NamedRisk[] = [];
  for (const [policy, { risks }] of namedIn(record.policies))
    if (risks !== undefined)
      named.push(...nameFindings(risksOf(record, policy), { cluster: record.name, policy, fresh: areRisksFresh(record) }));
  return named.sort((a, b) => byText(a.key, b.key));
};

/** Counts of a cluster without owners at risk. Not for a cluster with unknown risks. */
export const NO_RISKS: RiskCounts = { refused: 0, pending: 0 };

/** Adds counts of owners at risk; undefined counts as none. */
export const addRisks = (sum: RiskCounts, risks: RiskCounts | undefined): RiskCounts =>
  risks === undefined ? sum : { refused: sum.refused + risks.refused, pending: sum.pending + risks.pending };

/** Sums the owners at risk of all policies of a cluster. */
export const countRisks = ({ policies }: ClusterRecord): RiskCounts =>
  [...namedIn(policies).values()].reduce<RiskCounts>((sum, { risks }) => addRisks(sum, risks), NO_RISKS);

/** Returns whether the agent of a cluster is connected, was connected, or never has been. */
export const connectionOf = (record: Pick<ClusterRecord, 'connected' | 'lastSeen'>): ClusterView['connection'] => {
  if (record.connected) return 'Connected';
  return record.lastSeen === null ? 'NeverSeen' : 'Disconnected';
};

/** Commit that the agent reported last as enforced; null: none. */
export const acceptedRevision = ({ acked, report }: ClusterRecord): string | null => acked?.revision ?? report?.revision ?? null;

/** Last refusal of a commit by the agent, with its reasons; null: none. */
export const nackOf = ({ nack }: ClusterRecord): ClusterView['nack'] =>
  nack && {
    revision: nack.revision,
    time: nack.time,
    reasons: nack.reasons.map(({ message, ...place }) => ({ ...place, reason: message })),
  };

const withoutSamples = ({
  violationSamples: _samples,
  riskSamples: _risks,
  denials: _denials,
  ...report
}: AgentClusterReport): ClusterReport => report;

/** Provider in the registration of a cluster; null: none. */
export const providerOf = (registration: ManagedClusterDocument | undefined): string | null => registration?.spec.provider ?? null;

const waitsForOf = ({ record, desired }: Pick<ClusterEntry, 'record' | 'desired'>): Pick<ClusterView, 'waitsFor'> => {
  const held = desired?.held?.get(record.name);
  return held === undefined ? {} : { waitsFor: { ...held } };
};

/**
 * Commit that a cluster should have now: the newest one, or that of its wave; undefined: none was
 * read yet.
 */
export const revisionFor = ({ record, desired }: Pick<ClusterEntry, 'record' | 'desired'>): string | undefined =>
  desired?.held?.get(record.name)?.revision ?? desired?.revision;

type Placed = Pick<ClusterEntry, 'record' | 'registration' | 'desired'>;

/**
 * Whether a connected cluster has accepted the commit that it should have. A cluster that is no
 * longer registered is never in sync.
 */
export const isInSync = (entry: Placed): boolean =>
  entry.record.connected && entry.registration !== undefined && acceptedRevision(entry.record) === revisionFor(entry);

const provenRevision = (record: ClusterRecord): string | null => (isKnown(record) ? (record.report?.provenRevision ?? null) : null);

/** Whether a cluster is connected, observed and in sync, and has proven its commit by its locks. */
export const isProven = (entry: Placed): boolean => isInSync(entry) && provenRevision(entry.record) === revisionFor(entry);

/**
 * Builds the view of a cluster for the API. A cluster that is no longer registered has neither
 * regions nor labels. Views are built on demand, because they would be the largest part of an
 * entry.
 */
export const viewOf = (entry: ClusterEntry): ClusterView => {
  const { record, registration, phases, violations } = entry;
  return {
    name: record.name,
    regions: [...(registration?.spec.regions ?? [])],
    provider: providerOf(registration),
    labels: { ...registration?.metadata.labels },
    connection: connectionOf(record),
    notObserved: record.notObserved && { since: record.notObserved.since, what: [...record.notObserved.what] },
    notKept: record.notKept,
    lastSeen: record.lastSeen?.at ?? null,
    offeredRevision: record.offeredRevision,
    revision: acceptedRevision(record),
    provenRevision: provenRevision(record),
    inSync: isInSync(entry),
    ...waitsForOf(entry),
    nack: nackOf(record),
    policies: { ...phases },
    violations,
    clockSkewMs: record.report?.clockSkewMs ?? null,
    certificateExpires: record.report?.certificateExpires ?? null,
    report: record.report && withoutSamples(record.report),
  };
};

/**
 * Whether the last report of a cluster says that it was tampered with. Also true while it is
 * disconnected.
 */
export const isTampered = ({ record: { report } }: Pick<ClusterEntry, 'record'>): boolean =>
  report?.conditions.some(({ type, status }) => type === CONDITIONS.tampered && status === 'True') === true;

/** Whether the agent still refuses the commit that was offered last. */
export const isRefusing = ({ record }: Pick<ClusterEntry, 'record'>): boolean =>
  record.nack !== null && record.nack.revision === record.offeredRevision && record.nack.revision !== acceptedRevision(record);

/** Conditions of clusters about lock 1. Gatekeeper, lock 2, has its own field. */
export const LOCK_CONDITIONS: ReadonlySet<string> = new Set([CONDITIONS.floorReady, CONDITIONS.guardReady]);

/**
 * Whether lock 1, its guard and lock 2 are ready according to the last report; undefined: the
 * cluster has never reported.
 */
export const areLocksReady = ({ record: { report } }: ClusterEntry): boolean | undefined =>
  report === null
    ? undefined
    : report.gatekeeper.state === 'Ready' && report.conditions.every(({ type, status }) => !LOCK_CONDITIONS.has(type) || status === 'True');

/** Status of the condition that says whether the risks of a cluster are known. */
export const risksKnownOf = ({ record: { report } }: Pick<ClusterEntry, 'record'>) =>
  report?.conditions.find(({ type }) => type === CONDITIONS.risksKnown)?.status;

/**
 * Whether the risks of a cluster are current. An agent keeps showing outdated risks for two
 * minutes.
 */
export const areRisksFresh = (record: ClusterRecord): boolean => isKnown(record) && risksKnownOf({ record }) !== 'Unknown';

/**
 * Whether some risks of a cluster are unknown: it is disconnected, not observed, or reports so
 * itself.
 */
export const areRisksUnknown = (entry: Pick<ClusterEntry, 'record'>): boolean => !isKnown(entry.record) || risksKnownOf(entry) !== 'True';

/** Status of the condition that says whether the denials of a cluster are known. */
export const denialsKnownOf = ({ report }: ClusterRecord) =>
  report?.conditions.find(({ type }) => type === CONDITIONS.denialsKnown)?.status;

/**
 * Whether some denials of a cluster are unknown: it is disconnected, not observed, or reports so
 * itself.
 */
export const areDenialsUnknown = ({ record }: Pick<ClusterEntry, 'record'>): boolean =>
  !isKnown(record) || denialsKnownOf(record) !== 'True';

type Counted = Omit<StatusView['clusters'], 'total'>;

/** Facts by which the status counts clusters. */
const COUNTED: Readonly<Record<keyof Counted, (entry: Placed) => boolean>> = {
  connected: ({ record }) => record.connected,
  notObserved: ({ record }) => record.notObserved !== null,
  disconnected: ({ record }) => connectionOf(record) === 'Disconnected',
  neverSeen: ({ record }) => connectionOf(record) === 'NeverSeen',
  notAllKept: ({ record }) => record.notKept !== null,
  inSync: isInSync,
  proven: isProven,
  risksUnknown: areRisksUnknown,
  denialsUnknown: areDenialsUnknown,
  tampered: isTampered,
};
const COUNTED_FACTS = Object.keys(COUNTED) as (keyof Counted)[];

/** Returns the facts that hold for a cluster as a bit set. */
export const factsOf = (entry: Placed): number =>
  COUNTED_FACTS.reduce((bits, fact, at) => (COUNTED[fact](entry) ? bits | (1 << at) : bits), 0);

/** Counts the clusters for which each fact holds. */
export const countFacts = (entries: readonly ClusterEntry[]): Counted => {
  // Clusters with equal facts are counted together.
  const numbers = new Map<number, number>();
  for (const { counted } of entries) numbers.set(counted, (numbers.get(counted) ?? 0) + 1);
  const countOf = (at: number): number => [...numbers].reduce((sum, [bits, count]) => ((bits >> at) & 1 ? sum + count : sum), 0);
  return Object.fromEntries(COUNTED_FACTS.map((fact, at) => [fact, countOf(at)])) as Counted;
};
