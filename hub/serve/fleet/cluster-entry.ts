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

/** A violation that an agent names, with its key among all. */
export type NamedViolation = NamedFinding<ViolationView>;

/** An owner at risk that an agent names, with its key among all. */
export type NamedRisk = NamedFinding<RiskView>;

/** A cluster at one moment: immutable, replaced by the next entry. */
export interface ClusterEntry {
  readonly record: ClusterRecord;
  readonly desired: Desired | null;
  /** Policies that Git has for the cluster. */
  readonly meant: readonly CompiledPolicy[];
  /** undefined: it is not, or no longer, registered. */
  readonly registration: ManagedClusterDocument | undefined;
  /**
   * Whether the cluster is neither registered nor connected: only its last report is left, and the
   * fleet is counted without it.
   */
  readonly retired: boolean;
  readonly phases: Readonly<PhaseCounts>;
  readonly violations: number;
  /**
   * Violations that the agent names: at most 20 of the hub's policies, and 20 of each local policy.
   * `violations` counts all.
   */
  readonly named: readonly NamedViolation[];
  /** Owners at risk, all that the agent counts. */
  readonly risks: RiskCounts;
  /** Owners at risk that the agent names, as `named`. */
  readonly namedRisks: readonly NamedRisk[];
  /** Facts that the status counts, as {@link factsOf} has them. */
  readonly counted: number;
}

/**
 * The violations of a policy that its cluster names: in its list of the first ones, or of a policy
 * that is reported whole in its report.
 */
export const samplesOf = ({ report, policies }: ClusterRecord, policy: string): PolicyReport['violationSamples'] => {
  const own = policies.get(policy)?.violationSamples ?? [];
  if (own.length > 0) return own;
  return (report?.violationSamples ?? []).flatMap(({ policy: of, ...violation }) => (of === policy ? [violation] : []));
};

/** The report of a policy, with the violations that its cluster names. */
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
 * The action of a policy in a cluster; where it is not known what the cluster's own list asks for,
 * that of the newest commit.
 */
export const actionIn = (meant: ClusterEntry['meant'], policy: string, report: PolicyReport): EnforcementAction =>
  (isUnlisted(report) ? actionsOf(meant).get(policy) : undefined) ?? report.enforcementAction;

/** Violations sorted by policy, namespace, kind and name. A policy that conforms has none. */
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

/** The owners at risk under a policy that its cluster names; see {@link samplesOf}. */
const risksOf = ({ report, policies }: ClusterRecord, policy: string): readonly Risk[] => {
  const own = policies.get(policy)?.risks?.named ?? [];
  if (own.length > 0) return own;
  return (report?.riskSamples ?? []).flatMap(({ policy: of, ...risk }) => (of === policy ? [risk] : []));
};

/** Owners at risk sorted by policy, namespace, kind and name. */
export const namedRisks = (record: ClusterRecord): readonly NamedRisk[] => {
  const named: NamedRisk[] = [];
  for (const [policy, { risks }] of namedIn(record.policies))
    if (risks !== undefined)
      named.push(...nameFindings(risksOf(record, policy), { cluster: record.name, policy, fresh: areRisksFresh(record) }));
  return named.sort((a, b) => byText(a.key, b.key));
};

/** Counts of a cluster without owners at risk; not for one whose risks are unknown. */
export const NO_RISKS: RiskCounts = { refused: 0, pending: 0 };

/** Adds numbers of owners at risk; undefined adds nothing. */
export const addRisks = (sum: RiskCounts, risks: RiskCounts | undefined): RiskCounts =>
  risks === undefined ? sum : { refused: sum.refused + risks.refused, pending: sum.pending + risks.pending };

/** Sums the owners at risk of all policies of a cluster. */
export const countRisks = ({ policies }: ClusterRecord): RiskCounts =>
  [...namedIn(policies).values()].reduce<RiskCounts>((sum, { risks }) => addRisks(sum, risks), NO_RISKS);

/** Whether the agent of a cluster is connected, was, or never has been. */
export const connectionOf = (record: Pick<ClusterRecord, 'connected' | 'lastSeen'>): ClusterView['connection'] => {
  if (record.connected) return 'Connected';
  return record.lastSeen === null ? 'NeverSeen' : 'Disconnected';
};

/** Commit that the agent of a cluster enforces by its last word; null: none. */
export const acceptedRevision = ({ acked, report }: ClusterRecord): string | null => acked?.revision ?? report?.revision ?? null;

/** Commit that the agent of a cluster refused last, with its reasons; null: none. */
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

/** Provider that a cluster is registered with; null: none. */
export const providerOf = (registration: ManagedClusterDocument | undefined): string | null => registration?.spec.provider ?? null;

const waitsForOf = ({ record, desired }: Pick<ClusterEntry, 'record' | 'desired'>): Pick<ClusterView, 'waitsFor'> => {
  const held = desired?.held?.get(record.name);
  return held === undefined ? {} : { waitsFor: { ...held } };
};

/**
 * Commit that a cluster is to have now: the newest, or that of its wave; undefined: none was read
 * yet.
 */
export const revisionFor = ({ record, desired }: Pick<ClusterEntry, 'record' | 'desired'>): string | undefined =>
  desired?.held?.get(record.name)?.revision ?? desired?.revision;

type Placed = Pick<ClusterEntry, 'record' | 'registration' | 'desired'>;

/**
 * Whether a connected cluster has accepted the commit that it is to have. One that is no longer
 * registered is never in sync.
 */
export const isInSync = (entry: Placed): boolean =>
  entry.record.connected && entry.registration !== undefined && acceptedRevision(entry.record) === revisionFor(entry);

const provenRevision = (record: ClusterRecord): string | null => (isKnown(record) ? (record.report?.provenRevision ?? null) : null);

/** Connected, observed, in sync, and every policy of its revision proven by the locks. */
export const isProven = (entry: Placed): boolean => isInSync(entry) && provenRevision(entry.record) === revisionFor(entry);

/**
 * Makes what the API shows of a cluster. A cluster that is no longer registered has neither regions
 * nor labels. It is made for those that are shown: kept for each cluster, it would be the largest
 * part of an entry.
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
 * Whether the last report of a cluster says that it was tampered with, also while the cluster is
 * disconnected.
 */
export const isTampered = ({ record: { report } }: Pick<ClusterEntry, 'record'>): boolean =>
  report?.conditions.some(({ type, status }) => type === CONDITIONS.tampered && status === 'True') === true;

/** Whether the agent stands by its refusal of what it was offered last. */
export const isRefusing = ({ record }: Pick<ClusterEntry, 'record'>): boolean =>
  record.nack !== null && record.nack.revision === record.offeredRevision && record.nack.revision !== acceptedRevision(record);

/** Conditions of clusters about lock 1; Gatekeeper, lock 2, has a field of its own. */
export const LOCK_CONDITIONS: ReadonlySet<string> = new Set([CONDITIONS.floorReady, CONDITIONS.guardReady]);

/**
 * Whether lock 1, its guard and lock 2 are ready, as last reported; undefined: the cluster has
 * never reported.
 */
export const areLocksReady = ({ record: { report } }: ClusterEntry): boolean | undefined =>
  report === null
    ? undefined
    : report.gatekeeper.state === 'Ready' && report.conditions.every(({ type, status }) => !LOCK_CONDITIONS.has(type) || status === 'True');

/** Status of the condition by which a cluster says whether its risks are known. */
export const risksKnownOf = ({ record: { report } }: Pick<ClusterEntry, 'record'>) =>
  report?.conditions.find(({ type }) => type === CONDITIONS.risksKnown)?.status;

/** Whether the risks of a cluster are those of now: an agent shows what it knew for two minutes. */
export const areRisksFresh = (record: ClusterRecord): boolean => isKnown(record) && risksKnownOf({ record }) !== 'Unknown';

/** Whether not all risks of a cluster are known: it is away, not observed, or says so itself. */
export const areRisksUnknown = (entry: Pick<ClusterEntry, 'record'>): boolean => !isKnown(entry.record) || risksKnownOf(entry) !== 'True';

/** Status of the condition by which a cluster says whether its denials are known. */
export const denialsKnownOf = ({ report }: ClusterRecord) =>
  report?.conditions.find(({ type }) => type === CONDITIONS.denialsKnown)?.status;

/** Whether not all denials of a cluster are known: it is away, not observed, or says so itself. */
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

/** Returns the facts that hold for a cluster, a bit for each. */
export const factsOf = (entry: Placed): number =>
  COUNTED_FACTS.reduce((bits, fact, at) => (COUNTED[fact](entry) ? bits | (1 << at) : bits), 0);

/** Counts the clusters for which each fact holds. Most have the same facts as many others. */
export const countFacts = (entries: readonly ClusterEntry[]): Counted => {
  const numbers = new Map<number, number>();
  for (const { counted } of entries) numbers.set(counted, (numbers.get(counted) ?? 0) + 1);
  const countOf = (at: number): number => [...numbers].reduce((sum, [bits, count]) => ((bits >> at) & 1 ? sum + count : sum), 0);
  return Object.fromEntries(COUNTED_FACTS.map((fact, at) => [fact, countOf(at)])) as Counted;
};
