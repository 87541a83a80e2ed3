import {
  type AuditEntry,
  type ClusterSteps,
  type ClusterView,
  CONDITIONS,
  type CommitSummary,
  type DenialView,
  describeScope,
  type EventView,
  type IssueGroup,
  type PolicySummary,
  policyKey,
  type RiskView,
  type TokenView,
  type ViolationView,
} from '@fso/shared/api';
import type { BranchView, StoredPlanSummary } from '@fso/shared/effects';
import { shortRevision } from '@fso/shared/text';
import type { Column } from './output.ts';
import { age, list } from './text.ts';

/** Columns of `fso get policies`. */
export const policyColumns = (): Column<PolicySummary>[] => [
  { title: 'NAME', value: policyKey },
  { title: 'TARGET', value: ({ targetNamespace }) => targetNamespace },
  { title: 'REGIONS', value: ({ allowedRegions }) => list(allowedRegions) },
  { title: 'ACTION', value: ({ enforcementAction }) => enforcementAction },
  { title: 'PHASE', value: ({ phase }) => phase },
  { title: 'CLUSTERS', value: ({ clusters }) => `${clusters.active}/${clusters.total}` },
  { title: 'VIOLATIONS', value: ({ violations }) => String(violations) },
  { title: 'MANAGED-BY', value: ({ managedBy }) => managedBy, wide: true },
  { title: 'EXPIRES', value: ({ expiryDate }) => expiryDate ?? '-', wide: true },
  { title: 'SOURCE', value: ({ source }) => (source === null ? '-' : `${source.path}:${source.line}`), wide: true },
];

const nodesOf = ({ report }: ClusterView): string =>
  list(Object.entries(report?.nodesByRegion ?? {}).map(([region, count]) => `${region === '' ? '(none)' : region}=${count}`));

/**
 * Returns whether the enforcing objects of a cluster were changed or deleted within the last hour.
 */
const tamperedOf = ({ report }: ClusterView): string => {
  const tampered = report?.conditions.find(({ type }) => type === CONDITIONS.tampered);
  return tampered === undefined ? '-' : tampered.status === 'True' ? 'yes' : 'no';
};

/** Formats the policies of a cluster, such as `12/2000 (345 more not kept)`. */
const policiesOf = ({ policies, notKept }: ClusterView): string => {
  const kept = `${policies.active}/${policies.total}`;
  return notKept === null ? kept : `${kept} (${notKept} more not kept)`;
};

const inSyncOf = ({ inSync, waitsFor }: ClusterView): string => {
  if (!inSync) return 'no';
  return waitsFor === undefined ? 'yes' : `waits for wave ${waitsFor.wave}`;
};

/** Columns of `fso get clusters`. */
export const clusterColumns = (now: Date): Column<ClusterView>[] => [
  { title: 'NAME', value: ({ name }) => name },
  { title: 'CONNECTION', value: ({ connection, notObserved }) => (notObserved === null ? connection : 'NotObserved') },
  { title: 'SEEN', value: ({ lastSeen }) => age(lastSeen, now) },
  { title: 'REVISION', value: ({ revision }) => shortRevision(revision) },
  { title: 'VERIFICATION', value: ({ report }) => report?.verification ?? '-' },
  { title: 'PROVEN', value: ({ provenRevision }) => shortRevision(provenRevision) },
  { title: 'IN-SYNC', value: inSyncOf },
  { title: 'POLICIES', value: policiesOf },
  { title: 'VIOLATIONS', value: ({ violations }) => String(violations) },
  { title: 'GATEKEEPER', value: ({ report }) => report?.gatekeeper.state ?? '-' },
  { title: 'TAMPERED', value: tamperedOf },
  { title: 'SKEW', value: ({ clockSkewMs }) => (clockSkewMs === null ? '-' : `${(clockSkewMs / 1000).toFixed(1)}s`), wide: true },
  { title: 'CERTIFICATE', value: ({ certificateExpires }) => certificateExpires ?? '-', wide: true },
  { title: 'REGIONS', value: ({ regions }) => list(regions), wide: true },
  { title: 'NODES', value: nodesOf, wide: true },
  { title: 'KUBERNETES', value: ({ report }) => report?.kubernetesVersion ?? '-', wide: true },
  { title: 'AGENT', value: ({ report }) => report?.agentVersion ?? '-', wide: true },
];

/** Columns of `fso get violations`. */
export const violationColumns = (now: Date): Column<ViolationView>[] => [
  { title: 'CLUSTER', value: ({ cluster }) => cluster },
  { title: 'NAMESPACE', value: ({ namespace }) => namespace },
  { title: 'KIND', value: ({ kind }) => kind },
  { title: 'NAME', value: ({ name }) => name },
  { title: 'POLICY', value: ({ policy }) => policy },
  { title: 'ACTION', value: ({ enforcementAction }) => enforcementAction },
  { title: 'REGION', value: ({ region }) => region ?? '-' },
  { title: 'AGE', value: ({ since }) => age(since, now) },
  { title: 'NODE', value: ({ node }) => node ?? '-', wide: true },
  { title: 'REASON', value: ({ reason }) => reason, wide: true },
];

/** Columns of `fso get risks`. */
export const riskColumns = (): Column<RiskView>[] => [
  { title: 'RISK', value: ({ risk, nodes }) => (nodes === undefined ? risk : `${risk} on ${nodes} nodes`) },
  { title: 'CLUSTER', value: ({ cluster }) => cluster },
  { title: 'NAMESPACE', value: ({ namespace }) => namespace },
  { title: 'KIND', value: ({ kind }) => kind },
  { title: 'NAME', value: ({ name, lastSeen }) => (lastSeen === undefined ? name : `${name} (last seen ${lastSeen})`) },
  { title: 'POLICY', value: ({ policy }) => policy },
  { title: 'CONFIRMED', value: ({ confirmation }) => (confirmation === 'Confirmed' ? 'yes' : 'no') },
  { title: 'FIX', value: ({ fix }) => fix },
  { title: 'REASON', value: ({ reason }) => reason, wide: true },
  { title: 'KNOWN', value: ({ fresh }) => (fresh ? 'now' : 'as last reported'), wide: true },
];

/** Columns of `fso get denials`. */
export const denialColumns = (now: Date): Column<DenialView>[] => [
  { title: 'CLUSTER', value: ({ cluster }) => cluster },
  { title: 'NAMESPACE', value: ({ namespace }) => namespace },
  { title: 'KIND', value: ({ kind }) => kind },
  { title: 'NAME', value: ({ name }) => name },
  { title: 'POLICY', value: ({ policies }) => policies.join(',') },
  { title: 'PER HOUR', value: ({ count = 'unknown' }) => String(count) },
  { title: 'SINCE', value: ({ since }) => age(since, now) },
  { title: 'FIX', value: ({ fix }) => fix },
  { title: 'REASON', value: ({ reason }) => reason, wide: true },
  { title: 'LAST', value: ({ last }) => age(last, now), wide: true },
  { title: 'KNOWN', value: ({ fresh }) => (fresh ? 'now' : 'as last reported'), wide: true },
];

const isUnknown = ({ connection, notObserved, report }: ClusterView, condition: string): boolean =>
  connection !== 'Connected' || notObserved !== null || report?.conditions.find(({ type }) => type === condition)?.status !== 'True';

/**
 * Whether some risks of a cluster are unknown: it is disconnected, not observed, or reports so
 * itself.
 */
export const areRisksUnknown = (cluster: ClusterView): boolean => isUnknown(cluster, CONDITIONS.risksKnown);

/** Whether some denials of a cluster are unknown, for the same reasons. */
export const areDenialsUnknown = (cluster: ClusterView): boolean => isUnknown(cluster, CONDITIONS.denialsKnown);

/** Columns of `fso get events`. */
export const eventColumns = (now: Date): Column<EventView>[] => [
  { title: 'AGE', value: ({ time }) => age(time, now) },
  { title: 'SEVERITY', value: ({ severity }) => severity },
  { title: 'CLUSTER', value: ({ cluster }) => cluster ?? '(hub)' },
  { title: 'REASON', value: ({ reason }) => reason },
  { title: 'REVISION', value: ({ revision }) => shortRevision(revision) },
  { title: 'POLICY', value: ({ policy }) => policy ?? '-', wide: true },
  { title: 'ID', value: ({ id }) => String(id), wide: true },
  { title: 'MESSAGE', value: ({ message }) => message },
];

/** Columns of `fso get issues`. */
export const issueColumns = (now: Date): Column<IssueGroup>[] => [
  { title: 'SEVERITY', value: ({ severity }) => severity },
  { title: 'NAME', value: ({ name }) => name },
  { title: 'SINCE', value: ({ since }) => age(since, now) },
  { title: 'SUMMARY', value: ({ summary }) => summary },
  { title: 'PROBLEM', value: ({ issues }) => issues.map(({ problem }) => problem).join(' '), wide: true },
  { title: 'WHAT-TO-DO', value: ({ remedy }) => remedy, wide: true },
];

/** Columns of `fso audit list`. */
export const auditColumns = (): Column<AuditEntry>[] => [
  { title: 'SEQUENCE', value: ({ sequence }) => String(sequence) },
  { title: 'TIME', value: ({ time }) => time },
  { title: 'ACTOR', value: ({ actor }) => `${actor.kind}:${actor.id}` },
  { title: 'FROM', value: ({ from }) => from ?? '-', wide: true },
  { title: 'ACTION', value: ({ action }) => action },
  { title: 'SUBJECT', value: ({ subject }) => subject },
  { title: 'DETAIL', value: ({ detail }) => JSON.stringify(detail), wide: true },
  { title: 'HASH', value: ({ hash }) => hash, wide: true },
];

/** Formats an expiry: `in 3d` or `expired 3d ago`. */
const until = (time: string, now: Date): string =>
  Date.parse(time) > now.getTime() ? `in ${age(now.toISOString(), new Date(time))}` : `expired ${age(time, now)} ago`;

/** Columns of `fso tokens list`. */
export const tokenColumns = (now: Date): Column<TokenView>[] => [
  { title: 'ID', value: ({ id }) => id },
  { title: 'NAME', value: ({ name }) => name },
  { title: 'ROLE', value: ({ role }) => role },
  { title: 'SCOPE', value: describeScope },
  { title: 'EXPIRES', value: ({ expiresAt }) => until(expiresAt, now) },
  { title: 'USED', value: ({ lastUsedAt }) => age(lastUsedAt, now) },
  { title: 'CREATED-BY', value: ({ createdBy }) => createdBy },
  { title: 'AGE', value: ({ createdAt }) => age(createdAt, now), wide: true },
];

/** Formats the time between two events, such as `1.2s`; `-` if the second has not happened. */
export const elapsedText = (start: string, end: string | null): string =>
  end === null ? '-' : `${((Date.parse(end) - Date.parse(start)) / 1000).toFixed(1)}s`;

/** Columns of `fso get commits`. */
export const commitColumns = (now: Date): Column<CommitSummary>[] => [
  { title: 'REVISION', value: ({ commit }) => shortRevision(commit.revision) },
  { title: 'STATE', value: ({ state }) => state },
  { title: 'AGE', value: ({ noticed }) => age(noticed, now) },
  { title: 'ENFORCED-AFTER', value: ({ enforcementMs }) => (enforcementMs === null ? '-' : `${(enforcementMs / 1000).toFixed(1)}s`) },
  { title: 'POLICIES', value: ({ policies }) => `+${policies.added} ~${policies.changed} -${policies.removed}` },
  { title: 'PROVEN', value: ({ clusters }) => `${clusters.proven}/${clusters.total}` },
  { title: 'REFUSED', value: ({ clusters }) => String(clusters.refused) },
  { title: 'VERIFICATION', value: ({ verification }) => verification?.state ?? '-', wide: true },
  { title: 'AUTHOR', value: ({ commit }) => commit.author, wide: true },
  { title: 'SUBJECT', value: ({ commit }) => commit.subject },
];

/**
 * Columns of the steps of a commit in each cluster.
 *
 * @param noticed time from which all steps are counted
 */
export const clusterStepColumns = (noticed: string): Column<ClusterSteps>[] => [
  { title: 'CLUSTER', value: ({ cluster }) => cluster },
  { title: 'OFFERED', value: ({ offered }) => elapsedText(noticed, offered) },
  { title: 'ACCEPTED', value: ({ accepted }) => elapsedText(noticed, accepted) },
  { title: 'WRITTEN', value: ({ written }) => elapsedText(noticed, written) },
  { title: 'PROVEN', value: ({ proven }) => elapsedText(noticed, proven) },
  { title: 'REFUSED', value: ({ refused }) => refused?.reasons[0]?.reason ?? (refused === null ? '-' : 'yes') },
];

/** Columns of `fso get plans`. */
export const planColumns = (now: Date): Column<StoredPlanSummary>[] => [
  { title: 'ID', value: ({ id }) => id },
  { title: 'AGE', value: ({ at }) => age(at, now) },
  { title: 'BY', value: ({ by }) => by },
  { title: 'RESULT', value: ({ result }) => result },
  { title: 'COMPARED WITH', value: ({ source, revision }) => `${source} (${shortRevision(revision)})` },
  { title: 'BRANCH', value: ({ branch }) => branch?.name ?? '-', wide: true },
];

/**
 * Columns of branches, with the commit of the last plan: the plan does not cover later commits.
 */
export const branchColumns = (now: Date): Column<BranchView>[] => [
  { title: 'BRANCH', value: ({ name }) => name },
  { title: 'COMMIT', value: ({ revision }) => shortRevision(revision) },
  { title: 'PLANNED', value: ({ plan }) => (plan === null ? '-' : age(plan.at, now)) },
  { title: 'COMMIT PLANNED', value: ({ plan }) => (plan === null ? '-' : shortRevision(plan.branch?.revision ?? '')) },
  { title: 'RESULT', value: ({ plan }) => plan?.result ?? '-' },
  { title: 'PLAN', value: ({ plan }) => plan?.id ?? '-' },
];
