import { weakMemo } from '@fso/shared/runtime';
import { groupDeviations } from '@fso/shared/status';
import { type CompiledQuery, sql } from 'kysely';
import { isUnseen } from '../../changes.ts';
import { type NamedPolicies, namedIn } from '../../policies/index.ts';
import { CLUSTER_COLUMNS } from '../schema.ts';
import { type ClusterWrite, type PolicyWrites, planPolicies } from './plan-batch.ts';
import { type BatchContext, escapeNul, excluded, slices } from './statements.ts';

const CLUSTER_SET = excluded(...CLUSTER_COLUMNS, 'nack_json', 'report_json');
const REPORT_SET = excluded('report_json');

type Queries = Generator<CompiledQuery>;

/** Once for each map: a cluster is written more often than what it reports changes. */
const deviationsJson: (named: NamedPolicies) => string | null = weakMemo((named) => {
  const groups = groupDeviations(named);
  return groups.length === 0 ? null : JSON.stringify(groups);
});

const jsonOf = (value: object | null): string | null => (value === null ? null : JSON.stringify(value));

function* clusterRows(writes: readonly ClusterWrite[], { trx, version, replica }: BatchContext): Queries {
  const rows = writes.map(({ after: { record, connectedBy, stream } }) => ({
    name: record.name,
    connected_by: connectedBy,
    stream,
    last_seen: record.lastSeen,
    offered_revision: record.offeredRevision,
    acked_revision: record.acked?.revision ?? null,
    acked_digest: record.acked?.digest ?? null,
    nack_json: jsonOf(record.nack),
    report_json: jsonOf(record.report),
    reported_seq: record.reportedSeq,
    policies_changed: record.policiesChanged,
    not_observed_json: jsonOf(record.notObserved && { ...record.notObserved, stream }),
    not_kept: record.notKept,
    baseline_json: jsonOf(record.baseline),
    deviations_json: deviationsJson(namedIn(record.policies)),
    diverged_since: record.divergedSince,
    version,
    writer: replica,
  }));
  for (const values of slices(rows))
    yield trx
      .insertInto('clusters')
      .values(values)
      .onConflict((conflict) => conflict.column('name').doUpdateSet(CLUSTER_SET))
      .compile();
}

function* droppedPolicies(clusters: readonly string[], { trx }: BatchContext): Queries {
  if (clusters.length === 0) return;
  yield trx.deleteFrom('reports').where('cluster', 'in', clusters).compile();
}

interface ClusterPlan extends PolicyWrites {
  readonly cluster: string;
}

function* deletedReports(plans: readonly ClusterPlan[], { trx }: BatchContext): Queries {
  const keys = plans.flatMap(({ cluster, deleted }) => deleted.map((key) => sql`(${cluster}, ${escapeNul(key)})`));
  for (const values of slices(keys))
    yield trx
      .deleteFrom('reports')
      .where(sql<boolean>`(cluster, policy) in (values ${sql.join(values)})`)
      .compile();
}

function* writtenReports(plans: readonly ClusterPlan[], { trx, texts }: BatchContext): Queries {
  const rows = plans.flatMap(({ cluster, written }) =>
    written.map(([key, policy]) => ({
      cluster,
      policy: key,
      report_json: texts.get(policy) ?? JSON.stringify(policy),
    })),
  );
  for (const values of slices(rows, ({ report_json }) => report_json.length))
    yield trx
      .insertInto('reports')
      .values(values)
      .onConflict((conflict) => conflict.columns(['cluster', 'policy']).doUpdateSet(REPORT_SET))
      .compile();
}

function* policies(writes: readonly ClusterWrite[], context: BatchContext): Queries {
  const plans = writes.map((write) => ({ cluster: write.after.record.name, ...planPolicies(write) }));
  yield* deletedReports(plans, context);
  yield* writtenReports(plans, context);
}

/** The row of a cluster that was forgotten stays, without content: by its version the other hubs hear of it. */
function* droppedWitnesses(writes: readonly ClusterWrite[], { trx }: BatchContext): Queries {
  const forgotten = writes.flatMap(({ after: { record } }) => (isUnseen(record) ? [record.name] : []));
  if (forgotten.length > 0) yield trx.deleteFrom('witnesses').where('cluster', 'in', forgotten).compile();
}

/** What writes the clusters of a batch and their policies. */
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
