import { splitFacts } from '@fso/shared/protocol';
import { threadCpuMs } from '@fso/shared/runtime';
import { groupDeviations, isWhole, type NamedPolicy, textOfDeviation } from '@fso/shared/status';
import type { CompiledQuery } from 'kysely';
import { isUnseen } from '../../changes.ts';
import { type NamedPolicies, namedIn } from '../../policies/index.ts';
import { type ClusterWrite, type PolicyWrites, planPolicies } from './plan-batch.ts';
import { deleteRows, insertRows } from './rows.ts';
import { type BatchContext, storable } from './statements.ts';

type Queries = Generator<CompiledQuery>;

/** Serializes the deviation groups. The text of each deviation is reused. */
const deviationsJson = (named: NamedPolicies): string | null => {
  const groups = groupDeviations(named).map(
    ({ deviation, policies }) => `{"deviation":${textOfDeviation(deviation)},"policies":${JSON.stringify(policies)}}`,
  );
  return groups.length === 0 ? null : `[${groups.join(',')}]`;
};

const jsonOf = (value: object | null): string | null => (value === null ? null : JSON.stringify(value));

const isDeviation = (named: NamedPolicy | undefined): boolean => named !== undefined && !isWhole(named);

/** Large columns of a cluster's row. They are written only if they changed. */
interface LargeColumns {
  /** Deviations of policies, up to megabytes. */
  readonly deviations: boolean;
  /** Facts that the cluster reports, without its commits. */
  readonly report: boolean;
}

const changesDeviations = ({ before, after, forgotten, touched }: ClusterWrite): boolean => {
  const [was, is] = [namedIn(before.record.policies), namedIn(after.record.policies)];
  return forgotten || [...touched].some((key) => isDeviation(was.get(key)) || isDeviation(is.get(key)));
};

/** Whether two objects have the same fields with identical values. */
const isShallowEqual = (a: object, b: object): boolean => {
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => Reflect.get(a, key) === Reflect.get(b, key));
};

const changesReport = ({ before: { record: before, hasWholeReport }, after: { record: after } }: ClusterWrite): boolean => {
  if (hasWholeReport === true) return true;
  if (before.report === null || after.report === null) return before.report !== after.report;
  const [was, is] = [splitFacts(before.report).rest, splitFacts(after.report).rest];
  return !isShallowEqual(was, is);
};

/** Returns the large columns to write. A new row gets all of them. */
const changedColumns = (write: ClusterWrite): LargeColumns => {
  const isNew = write.before.version === 0;
  return { deviations: isNew || changesDeviations(write), report: isNew || changesReport(write) };
};

const rowOf = ({ after: { record, connectedBy, stream } }: ClusterWrite, { version, replica }: BatchContext) => ({
  name: record.name,
  connected_by: connectedBy,
  stream,
  last_seen: record.lastSeen?.at ?? null,
  offered_revision: record.offeredRevision,
  offered_at: record.offeredAt,
  acked_revision: record.acked?.revision ?? null,
  acked_digest: record.acked?.digest ?? null,
  nack_json: jsonOf(record.nack),
  revision_json: jsonOf(record.report && splitFacts(record.report).revision),
  reported_seq: record.reportedSeq,
  policies_changed: record.policiesChanged,
  not_observed_json: jsonOf(record.notObserved && { ...record.notObserved, stream }),
  not_kept: record.notKept,
  baseline_json: jsonOf(record.baseline),
  diverged_since: record.divergedSince,
  version,
  writer: replica,
});

/** Serializes the deviations of a cluster. Their cost is added to that of its last report. */
const meteredDeviations = ({ after, reported }: ClusterWrite): string | null => {
  const before = threadCpuMs();
  const json = deviationsJson(namedIn(after.record.policies));
  if (reported !== undefined) reported.cpuMs = (reported.cpuMs ?? 0) + threadCpuMs() - before;
  return json;
};

const wholeRowOf = (write: ClusterWrite, { deviations, report }: LargeColumns, context: BatchContext) => ({
  ...rowOf(write, context),
  ...(deviations && { deviations_json: meteredDeviations(write) }),
  ...(report && { report_json: jsonOf(write.after.record.report && splitFacts(write.after.record.report).rest) }),
});

/** Yields a statement for each combination of changed columns. */
function* clusterRows(writes: readonly ClusterWrite[], context: BatchContext): Queries {
  const insertion = { into: 'clusters', onConflict: { key: ['name'] } } as const;
  const grouped = Map.groupBy(
    writes.map((write) => ({ write, columns: changedColumns(write) })),
    ({ columns: { deviations, report } }) => `${deviations} ${report}`,
  );
  for (const group of grouped.values())
    yield* insertRows(
      context.trx,
      insertion,
      mapped(group, ({ write, columns }) => wholeRowOf(write, columns, context)),
    );
}

/** Maps values lazily. */
function* mapped<T, R>(values: readonly T[], make: (value: T) => R): Generator<R> {
  for (const value of values) yield make(value);
}

function* droppedPolicies(clusters: readonly string[], { trx }: BatchContext): Queries {
  if (clusters.length === 0) return;
  yield trx.deleteFrom('reports').where('cluster', 'in', clusters).compile();
}

interface ClusterPlan extends PolicyWrites {
  readonly cluster: string;
}

function* deletedReports(plans: readonly ClusterPlan[], { trx }: BatchContext): Queries {
  const rows = plans.flatMap(({ cluster, deleted }) => deleted.map((key) => ({ cluster, policy: storable(key) })));
  yield* deleteRows(trx, 'reports', rows);
}

function* writtenReports(plans: readonly ClusterPlan[], { trx, texts }: BatchContext): Queries {
  const rows = plans.flatMap(({ cluster, written }) =>
    written.map(([key, policy]) => ({
      cluster,
      policy: storable(key),
      report_json: texts.get(policy) ?? JSON.stringify(policy),
    })),
  );
  yield* insertRows(trx, { into: 'reports', onConflict: { key: ['cluster', 'policy'] } }, rows);
}

function* policies(writes: readonly ClusterWrite[], context: BatchContext): Queries {
  const plans = writes.map((write) => ({ cluster: write.after.record.name, ...planPolicies(write) }));
  yield* deletedReports(plans, context);
  yield* writtenReports(plans, context);
}

/**
 * Yields the statements that delete the witnesses of forgotten clusters. Their cluster rows stay,
 * without content, because other hubs detect the change by its version.
 */
function* droppedWitnesses(writes: readonly ClusterWrite[], { trx }: BatchContext): Queries {
  const forgotten = writes.flatMap(({ after: { record } }) => (isUnseen(record) ? [record.name] : []));
  if (forgotten.length > 0) yield trx.deleteFrom('witnesses').where('cluster', 'in', forgotten).compile();
}

/** Yields the queries that write the clusters of a batch with their policies. */
export function* clusterQueries(writes: readonly ClusterWrite[], context: BatchContext): Queries {
  yield* clusterRows(writes, context);
  yield* droppedPolicies(
    writes.flatMap(({ forgotten, after }) => (forgotten ? [after.record.name] : [])),
    context,
  );
  yield* droppedWitnesses(writes, context);
  yield* policies(
    writes.filter(({ touched }) => touched.size > 0),
    context,
  );
}
