import {
  type EventView,
  isAsExpected,
  type PolicyDetail,
  type PolicyInCluster,
  type PolicyReport,
  type PolicyView,
  policyKey,
  type ReportedCondition,
  type ReportedLock,
} from '@fso/shared/api';
import { notKeptText, shortRevision } from '@fso/shared/text';
import type { Context } from '../context.ts';
import { clusterColumns, eventColumns } from '../render/columns.ts';
import { type Column, type Format, renderTable, writeData, writeFacts } from '../render/output.ts';
import { age, list } from '../render/text.ts';
import { checkName, findPolicy } from './get.ts';

const RECENT_EVENTS = 10;

const section = <T>(context: Context, title: string, rows: readonly T[], columns: readonly Column<T>[]): void => {
  if (rows.length > 0) context.out(`\n${title}\n${renderTable(columns, rows, context.paint)}`);
};

const conditionColumns = (now: Date): Column<ReportedCondition>[] => [
  { title: 'TYPE', value: ({ type }) => type },
  { title: 'STATUS', value: ({ status }) => status },
  { title: 'REASON', value: ({ reason }) => reason },
  { title: 'AGE', value: ({ lastTransitionTime }) => (lastTransitionTime === undefined ? '-' : age(lastTransitionTime, now)) },
  { title: 'MESSAGE', value: ({ message }) => message },
];

const phaseOf = ({ fresh, report }: PolicyInCluster): string => {
  if (report === null) return 'Pending';
  return fresh ? report.phase : `${report.phase} (last known)`;
};

const messageOf = ({ report }: PolicyInCluster): string => {
  if (report === null) return 'nothing reported yet';
  // The only message of a conforming policy is that its namespace is missing.
  if (!isAsExpected(report) || report.message !== '') return report.message;
  if (report.phase === 'Expired') return `expired at ${report.expiryDate ?? 'its time'}`;
  return (
    Object.values(report.enforcement)
      .flatMap(({ message }) => message ?? [])
      .join('; ') || 'conforms'
  );
};

const inClusterColumns = (): Column<PolicyInCluster>[] => [
  { title: 'CLUSTER', value: ({ cluster }) => cluster },
  { title: 'PHASE', value: phaseOf },
  { title: 'ADMISSION', value: ({ report }) => report?.enforcement.admission.state ?? '-' },
  { title: 'GATEKEEPER', value: ({ report }) => report?.enforcement.gatekeeper.state ?? '-' },
  { title: 'BINDING', value: ({ report }) => report?.enforcement.binding.state ?? '-' },
  { title: 'NAMESPACES', value: ({ report }) => list(report?.namespaces ?? []) },
  { title: 'VIOLATIONS', value: ({ report }) => String(report?.violations ?? 0) },
  { title: 'REVISION', value: ({ report }) => shortRevision(report?.revision) },
  { title: 'MESSAGE', value: messageOf },
];

const violationRows = ({ clusters }: Pick<PolicyView, 'clusters'>) =>
  clusters.flatMap(({ cluster, report }) => (report?.violationSamples ?? []).map((violation) => ({ cluster, ...violation })));
type ViolationRow = ReturnType<typeof violationRows>[number];

const violationColumns: Column<ViolationRow>[] = [
  { title: 'CLUSTER', value: ({ cluster }) => cluster },
  { title: 'NAMESPACE', value: ({ namespace }) => namespace },
  { title: 'NAME', value: ({ kind, name }) => `${kind}/${name}` },
  { title: 'REGION', value: ({ region }) => region ?? '-' },
  { title: 'REASON', value: ({ reason }) => reason },
];

const writePolicy = (context: Context, policy: PolicyView, events: readonly EventView[]): void => {
  writeFacts(context, [
    ['Name', policyKey(policy)],
    ['Namespace', policy.namespace],
    ['Managed by', policy.managedBy],
    ['Description', policy.description ?? '-'],
    ['Target', policy.targetNamespace],
    ['Allowed', list(policy.allowedRegions)],
    ['Effective', list(policy.effectiveRegions)],
    ['Action', policy.enforcementAction],
    ['Expires', policy.expiryDate ?? 'never'],
    ['Source', policy.source === null ? '-' : `${policy.source.path}:${policy.source.line}`],
    ['Phase', policy.phase],
    ['Violations', String(policy.violations)],
  ]);
  section(context, 'Clusters', policy.clusters, inClusterColumns());
  section(context, 'Violations', violationRows(policy), violationColumns);
  section(context, 'Events', events, eventColumns(context.now()));
};

/** Runs `fso describe policy` for the whole fleet. */
export const describePolicy = async (context: Context, given: string, { output }: { output: Format }): Promise<void> => {
  const policy = await findPolicy(context, given);
  if (output === 'json' || output === 'yaml') return writeData(context, output, policy);
  const events = await (await context.connect()).events({ policy: policyKey(policy), limit: RECENT_EVENTS });
  writePolicy(context, policy, events);
};

const SOURCES: Readonly<Record<PolicyDetail['source'], string>> = {
  agent: 'its agent, asked now',
  report: 'its last report',
  none: 'its last report, if any: its agent cannot be asked for texts and violations now',
};

const lockColumns = (now: Date): Column<readonly [lock: string, ReportedLock]>[] => [
  { title: 'LOCK', value: ([lock]) => lock },
  { title: 'STATE', value: ([, { state }]) => state },
  { title: 'AGE', value: ([, { since }]) => (since === undefined ? '-' : age(since, now)) },
  { title: 'MESSAGE', value: ([, { message }]) => message ?? '' },
];

const labelColumns: Column<NonNullable<PolicyReport['namespaceLabels']>[number]>[] = [
  { title: 'NAMESPACE', value: ({ namespace }) => namespace },
  { title: 'LABELS', value: ({ labels }) => list(Object.entries(labels).map(([key, value]) => `${key}=${value}`)) },
];

/** Runs `fso describe policy --cluster`, which asks the cluster's agent. */
export const describePolicyInCluster = async (
  context: Context,
  given: string,
  { cluster, output }: { cluster: string; output: Format },
): Promise<void> => {
  checkName(cluster);
  const key = policyKey(await findPolicy(context, given));
  const detail = await (await context.connect()).policyDetail(key, cluster);
  if (output === 'json' || output === 'yaml') return writeData(context, output, detail);
  const { report, changed } = detail;
  writeFacts(context, [
    ['Policy', key],
    ['Cluster', cluster],
    ['Phase', phaseOf(detail)],
    ['Message', messageOf(detail)],
    ['Changed', changed === null ? '-' : `${age(changed, context.now())} ago`],
    ['Told by', SOURCES[detail.source]],
  ]);
  if (report === null) return;
  section(context, 'Locks', Object.entries(report.enforcement), lockColumns(context.now()));
  section(context, 'Conditions', report.conditions, conditionColumns(context.now()));
  section(context, 'Labels', report.namespaceLabels ?? [], labelColumns);
  section(context, 'Violations', violationRows({ clusters: [detail] }), violationColumns);
};

/** Runs `fso describe cluster`. */
export const describeCluster = async (context: Context, name: string, { output }: { output: Format }): Promise<void> => {
  checkName(name);
  const hub = await context.connect();
  const cluster = await hub.cluster(name);
  if (output === 'json' || output === 'yaml') return writeData(context, output, cluster);
  const events = await hub.events({ cluster: name, limit: RECENT_EVENTS });
  const { report, notObserved, notKept, labels } = cluster;
  writeFacts(context, [
    ...clusterColumns(context.now()).map(({ title, value }) => [title.toLowerCase(), value(cluster)] as const),
    ['signed by', report?.signer],
    ['signers of', report?.verifiedRevision && shortRevision(report.verifiedRevision)],
    ['not trusted', report?.verificationReason],
    ['not observed', notObserved === null ? undefined : `for ${age(notObserved.since, context.now())}: ${list(notObserved.what)}`],
    ['not whole', notKept === null ? undefined : notKeptText(notKept)],
    ['labels', list(Object.entries(labels).map(([key, value]) => `${key}=${value}`))],
  ]);
  if (cluster.nack !== null) {
    context.out(`\nRefused by the agent: ${shortRevision(cluster.nack.revision)}, ${age(cluster.nack.time, context.now())} ago\n`);
    section(context, 'Reasons', cluster.nack.reasons, [
      { title: 'CODE', value: ({ code }) => code ?? '-' },
      { title: 'REASON', value: ({ path, reason }) => (path === undefined ? reason : `${path}: ${reason}`) },
    ]);
  }
  section(context, 'Conditions', cluster.report?.conditions ?? [], conditionColumns(context.now()));
  section(context, 'Events', events, eventColumns(context.now()));
};
