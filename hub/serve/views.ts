import {
  type ClusterView,
  CONDITIONS,
  type Phase,
  type PolicyInCluster,
  type PolicyReport,
  type PolicyView,
  policyKey,
  type SourceView,
  type StatusView,
  SYSTEM_NAMESPACE,
  type ViolationView,
} from '@fso/shared/api';
import { byText, expandRegions, type PolicySet } from '@fso/shared/compile';
import type { ClusterRecord, Desired } from '../ledger/types.ts';

/**
 * What the API shows, computed from the ledger and the desired state. Pure.
 *
 * The rule behind every count: what the hub does not know now is not compliant. A cluster that is not connected
 * contributes at best `Pending`, whatever it last said; `Failed` stays, and so do its last known violations.
 */

export interface Knowledge {
  readonly desired: Desired | null;
  readonly clusters: readonly ClusterRecord[];
}

interface PhaseCounts {
  total: number;
  active: number;
  failed: number;
  pending: number;
  expired: number;
}

const SEVERITY: readonly Phase[] = ['Failed', 'Pending', 'Active', 'Expired'];

/** The phase that one cluster contributes to a policy. */
export const effectivePhase = ({ fresh, report }: PolicyInCluster): Phase => {
  if (report === null) return 'Pending';
  return fresh || report.phase === 'Failed' ? report.phase : 'Pending';
};

/** The worst phase; a policy that no cluster is meant to have is enforced nowhere, hence Pending. */
const worstPhase = (clusters: readonly PolicyInCluster[]): Phase => {
  const phases = new Set(clusters.map(effectivePhase));
  return SEVERITY.find((phase) => phases.has(phase)) ?? 'Pending';
};

const countPhases = (phases: readonly Phase[]): PhaseCounts => {
  const count = (phase: Phase): number => phases.filter((candidate) => candidate === phase).length;
  return { total: phases.length, active: count('Active'), failed: count('Failed'), pending: count('Pending'), expired: count('Expired') };
};

const sumViolations = (reports: Iterable<PolicyReport | null>): number => {
  let sum = 0;
  for (const report of reports) sum += report?.violations ?? 0;
  return sum;
};

/** Policy keys of one cluster: those meant for it and those it reports (local ones, and hub-managed ones not yet gone). */
const keysOf = (record: ClusterRecord, desired: Desired | null): Set<string> =>
  new Set([...(desired?.clusters.get(record.name) ?? []).map(policyKey), ...record.policies.keys()]);

const inCluster = (record: ClusterRecord, key: string): PolicyInCluster => ({
  cluster: record.name,
  fresh: record.connected,
  report: record.policies.get(key) ?? null,
});

type PolicyHead = Omit<PolicyView, 'phase' | 'violations' | 'clusters'>;

const headsFromGit = (set: PolicySet): Map<string, PolicyHead> => {
  const groups = new Map(set.regionGroups.map(({ document }) => [document.metadata.name, document.spec.regions]));
  const heads = new Map<string, PolicyHead>();
  for (const { document, source } of set.policies) {
    const { spec, metadata } = document;
    const head: PolicyHead = {
      // Wherever a policy of Git lands, it is in the agent's own namespace (shared/compile).
      namespace: SYSTEM_NAMESPACE,
      name: metadata.name,
      managedBy: 'hub',
      targetNamespace: spec.targetNamespace,
      allowedRegions: [...spec.allowedRegions],
      effectiveRegions: [...expandRegions(spec.allowedRegions, groups)],
      enforcementAction: spec.enforcementAction,
      ...(spec.description === undefined ? {} : { description: spec.description }),
      ...(spec.expiryDate === undefined ? {} : { expiryDate: spec.expiryDate }),
      source: { path: source.path, line: source.line },
    };
    heads.set(policyKey(head), head);
  }
  return heads;
};

/** A policy that is not in Git: local, or hub-managed and on its way out. Described by the first cluster that reports it. */
const headFromReport = (report: PolicyReport): PolicyHead => ({
  namespace: report.namespace,
  name: report.name,
  managedBy: report.managedBy,
  targetNamespace: report.targetNamespace,
  allowedRegions: [...report.effectiveRegions],
  effectiveRegions: [...report.effectiveRegions],
  enforcementAction: report.enforcementAction,
  ...(report.expiryDate === undefined ? {} : { expiryDate: report.expiryDate }),
  source: null,
});

/** One view per `namespace/name`, sorted by it, with every cluster that is meant to have the policy or reports it. */
export const policyViews = ({ desired, clusters }: Knowledge): PolicyView[] => {
  const heads = desired ? headsFromGit(desired.set) : new Map<string, PolicyHead>();
  const placed = new Map<string, PolicyInCluster[]>([...heads.keys()].map((key) => [key, []]));
  for (const record of clusters) {
    for (const key of keysOf(record, desired)) {
      const entry = inCluster(record, key);
      if (!heads.has(key) && entry.report) heads.set(key, headFromReport(entry.report));
      placed.set(key, [...(placed.get(key) ?? []), entry]);
    }
  }
  const views = [...heads].map(([key, head]): PolicyView => {
    const rows = placed.get(key) ?? [];
    return { ...head, phase: worstPhase(rows), violations: sumViolations(rows.map(({ report }) => report)), clusters: rows };
  });
  return views.sort((a, b) => byText(policyKey(a), policyKey(b)));
};

const connectionOf = (record: ClusterRecord): ClusterView['connection'] => {
  if (record.connected) return 'Connected';
  return record.lastSeen === null ? 'NeverSeen' : 'Disconnected';
};

const nackOf = ({ nack }: ClusterRecord): ClusterView['nack'] =>
  nack && {
    revision: nack.revision,
    time: nack.time,
    reasons: nack.reasons.map(({ message, ...place }) => ({ ...place, reason: message })),
  };

/** A cluster that is no longer registered has neither regions nor labels and is never in sync. */
export const clusterView = (record: ClusterRecord, desired: Desired | null): ClusterView => {
  const registration = desired?.set.clusters.find(({ document }) => document.metadata.name === record.name)?.document;
  const revision = record.acked?.revision ?? record.report?.revision ?? null;
  const phases = [...keysOf(record, desired)].map((key) => effectivePhase(inCluster(record, key)));
  return {
    name: record.name,
    regions: [...(registration?.spec.regions ?? [])],
    labels: { ...registration?.metadata.labels },
    connection: connectionOf(record),
    lastSeen: record.lastSeen,
    offeredRevision: record.offeredRevision,
    revision,
    provenRevision: record.report?.provenRevision ?? null,
    inSync: record.connected && registration !== undefined && revision === desired?.revision,
    nack: nackOf(record),
    policies: countPhases(phases),
    violations: sumViolations(record.policies.values()),
    clockSkewMs: record.report?.clockSkewMs ?? null,
    certificateExpires: record.report?.certificateExpires ?? null,
    report: record.report,
  };
};

export const clusterViews = ({ desired, clusters }: Knowledge): ClusterView[] =>
  clusters.map((record) => clusterView(record, desired)).sort((a, b) => byText(a.name, b.name));

/** Violations that agents named (at most 20 a policy and cluster); the counts of policies and clusters are complete. */
export const violationViews = ({ clusters }: Knowledge): ViolationView[] =>
  clusters
    .flatMap((record) =>
      [...record.policies].flatMap(([policy, report]) =>
        report.violationSamples.map(
          (violation): ViolationView => ({ ...violation, cluster: record.name, policy, enforcementAction: report.enforcementAction }),
        ),
      ),
    )
    .sort((a, b) => byText(violationKey(a), violationKey(b)));

export const violationKey = (violation: ViolationView): string =>
  [violation.cluster, violation.policy, violation.namespace, violation.kind, violation.name].join('/');

/** Connected, in sync, and every policy of the revision in force proven by the locks. */
const isProven = (view: ClusterView, desired: Desired | null): boolean => view.inSync && view.provenRevision === desired?.revision;

/** As last reported: a cluster that went away after it was tampered with still counts. */
const isTampered = ({ report }: ClusterView): boolean =>
  report?.conditions.some(({ type, status }) => type === CONDITIONS.tampered && status === 'True') === true;

/** Ahead of its expiry a policy is announced this long; the agents' own announcements begin then too. */
export const EXPIRY_NOTICE_MS = 14 * 86_400_000;

/** @param now ms since 1970 */
const isExpiring = ({ expiryDate }: PolicyView, now: number): boolean => {
  const left = expiryDate === undefined ? Number.POSITIVE_INFINITY : Date.parse(expiryDate) - now;
  return left > 0 && left <= EXPIRY_NOTICE_MS;
};

/** @param now for what depends on the time of day: ms since 1970 */
export const statusView = (knowledge: Knowledge, source: SourceView, { version, now }: { version: string; now: number }): StatusView => {
  const clusters = clusterViews(knowledge);
  const policies = policyViews(knowledge);
  const inState = (state: ClusterView['connection']): number => clusters.filter(({ connection }) => connection === state).length;
  return {
    version,
    source,
    clusters: {
      total: clusters.length,
      connected: inState('Connected'),
      disconnected: inState('Disconnected'),
      neverSeen: inState('NeverSeen'),
      inSync: clusters.filter(({ inSync }) => inSync).length,
      proven: clusters.filter((view) => isProven(view, knowledge.desired)).length,
      tampered: clusters.filter(isTampered).length,
    },
    policies: { ...countPhases(policies.map(({ phase }) => phase)), expiring: policies.filter((policy) => isExpiring(policy, now)).length },
    violations: clusters.reduce((sum, { violations }) => sum + violations, 0),
  };
};
