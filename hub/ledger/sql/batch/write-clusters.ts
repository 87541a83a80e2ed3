import type { CompiledQuery } from 'kysely';
import { isUnseen } from '../../changes.ts';
import { deviationsOf } from '../../policies/index.ts';
import type { ClusterRecord } from '../../types.ts';
import type { KeptPolicies } from '../schema.ts';
import { type ClusterWrite, type PolicyWrites, planPolicies } from './plan-batch.ts';
import { deleteRows, insertRows, type OnConflict } from './rows.ts';
import { type BatchContext, storable } from './statements.ts';

const ON_CLUSTER: OnConflict<'clusters'> = {
  key: ['name'],
  set: {
    full_version: 'case when excluded.full_version > 0 then excluded.full_version else clusters.full_version end',
  },
};

type Queries = Generator<CompiledQuery>;

/** Describes what is stored of the reports of a cluster; null where this process has not read it. */
const keptJson = ({ policies, notKept, reportedDigest: digest }: ClusterRecord): string | null => {
  if (notKept?.policies === null) return null;
  const kept: KeptPolicies = {
    policies: deviationsOf(policies).size,
    notKept: notKept && { policies: notKept.policies, reason: notKept.reason },
    digest,
  };
  return JSON.stringify(kept);
};

const jsonOf = (value: object | null): string | null => (value === null ? null : JSON.stringify(value));

function* clusterRows(writes: readonly ClusterWrite[], { trx, version, replica }: BatchContext): Queries {
  const rows = writes.map(({ after: { record, connectedBy, stream }, forgotten }) => ({
    name: record.name,
    connected_by: connectedBy,
    stream,
    last_seen: record.lastSeen?.at ?? null,
    offered_revision: record.offeredRevision,
    acked_revision: record.acked?.revision ?? null,
    acked_digest: record.acked?.digest ?? null,
    nack_json: jsonOf(record.nack),
    report_json: jsonOf(record.report),
    reported_seq: record.reportedSeq,
    reported_digest: record.reportedDigest,
    policies_changed: record.policiesChanged,
    not_observed_json: jsonOf(record.notObserved && { ...record.notObserved, stream }),
    kept_json: keptJson(record),
    baseline_json: jsonOf(record.baseline),
    diverged_since: record.divergedSince,
    version,
    full_version: forgotten ? version : 0,
    writer: replica,
  }));
  yield* insertRows(trx, { into: 'clusters', onConflict: ON_CLUSTER }, rows);
}

function* droppedPolicies(clusters: readonly string[], { trx }: BatchContext): Queries {
  if (clusters.length === 0) return;
  yield trx.deleteFrom('deviations').where('cluster', 'in', clusters).compile();
}

interface ClusterPlan extends PolicyWrites {
  readonly cluster: string;
}

function* deletedDeviations(plans: readonly ClusterPlan[], { trx }: BatchContext): Queries {
  const rows = plans.flatMap(({ cluster, deleted }) => deleted.map((key) => ({ cluster, policy: storable(key) })));
  yield* deleteRows(trx, 'deviations', rows);
}

function* writtenDeviations(plans: readonly ClusterPlan[], { trx, texts }: BatchContext): Queries {
  const rows = plans.flatMap(({ cluster, written }) =>
    written.map(([key, policy]) => ({
      cluster,
      policy: storable(key),
      phase: policy.phase,
      violations: policy.violations,
      report_json: texts.get(policy) ?? JSON.stringify(policy),
    })),
  );
  yield* insertRows(trx, { into: 'deviations', onConflict: { key: ['cluster', 'policy'] } }, rows);
}

function* policies(writes: readonly ClusterWrite[], context: BatchContext): Queries {
  const plans = writes.map((write) => ({ cluster: write.after.record.name, ...planPolicies(write) }));
  yield* deletedDeviations(plans, context);
  yield* writtenDeviations(plans, context);
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
