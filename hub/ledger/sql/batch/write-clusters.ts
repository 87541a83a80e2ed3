import { threadCpuMs } from '@fso/shared/runtime';
import { groupDeviations, isWhole, type NamedPolicy, textOfDeviation } from '@fso/shared/status';
import type { CompiledQuery } from 'kysely';
import { isUnseen } from '../../changes.ts';
import { type NamedPolicies, namedIn } from '../../policies/index.ts';
import { type ClusterWrite, type PolicyWrites, planPolicies } from './plan-batch.ts';
import { deleteRows, insertRows } from './rows.ts';
import { type BatchContext, storable } from './statements.ts';

type Queries = Generator<CompiledQuery>;

/** JSON of the deviation groups; of each deviation the text that is there already. */
const deviationsJson = (named: NamedPolicies): string | null => {
  const groups = groupDeviations(named).map(
    ({ deviation, policies }) => `{"deviation":${textOfDeviation(deviation)},"policies":${JSON.stringify(policies)}}`,
  );
  return groups.length === 0 ? null : `[${groups.join(',')}]`;
};

const jsonOf = (value: object | null): string | null => (value === null ? null : JSON.stringify(value));

const isDeviation = (named: NamedPolicy | undefined): boolean => named !== undefined && !isWhole(named);

/**
 * Whether a write changes the deviations of a cluster, which may take megabytes of its row. A row
 * that is not there yet has none.
 */
const changesDeviations = ({ before, after, forgotten, touched }: ClusterWrite): boolean => {
  const [was, is] = [namedIn(before.record.policies), namedIn(after.record.policies)];
  return before.version === 0 || forgotten || [...touched].some((key) => isDeviation(was.get(key)) || isDeviation(is.get(key)));
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
  report_json: jsonOf(record.report),
  reported_seq: record.reportedSeq,
  policies_changed: record.policiesChanged,
  not_observed_json: jsonOf(record.notObserved && { ...record.notObserved, stream }),
  not_kept: record.notKept,
  baseline_json: jsonOf(record.baseline),
  diverged_since: record.divergedSince,
  version,
  writer: replica,
});

/** Makes a row with its deviations, whose text counts as work of the cluster's last report. */
const rowWithDeviations = (write: ClusterWrite, context: BatchContext) => {
  const before = threadCpuMs();
  const row = { ...rowOf(write, context), deviations_json: deviationsJson(namedIn(write.after.record.policies)) };
  if (write.reported !== undefined) write.reported.cpuMs = (write.reported.cpuMs ?? 0) + threadCpuMs() - before;
  return row;
};

function* clusterRows(writes: readonly ClusterWrite[], context: BatchContext): Queries {
  const { trx } = context;
  const insertion = { into: 'clusters', onConflict: { key: ['name'] } } as const;
  const { changed = [], kept = [] } = Object.groupBy(writes, (write) => (changesDeviations(write) ? 'changed' : 'kept'));
  yield* insertRows(
    trx,
    insertion,
    mapped(changed, (write) => rowWithDeviations(write, context)),
  );
  yield* insertRows(
    trx,
    insertion,
    mapped(kept, (write) => rowOf(write, context)),
  );
}

/** Makes each row only when its turn comes. */
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
 * The row of a cluster that was forgotten stays, without content: by its version the other hubs
 * hear of it.
 */
function* droppedWitnesses(writes: readonly ClusterWrite[], { trx }: BatchContext): Queries {
  const forgotten = writes.flatMap(({ after: { record } }) => (isUnseen(record) ? [record.name] : []));
  if (forgotten.length > 0) yield trx.deleteFrom('witnesses').where('cluster', 'in', forgotten).compile();
}

/** Yields the queries that write the clusters of a batch and their policies. */
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
