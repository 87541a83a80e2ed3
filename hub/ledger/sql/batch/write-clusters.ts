import { type Insertable, sql } from 'kysely';
import { isUnseen } from '../../changes.ts';
import type { ClusterRecord } from '../../types.ts';
import type { Schema } from '../schema.ts';
import { fillChunks } from './chunks.ts';
import { type ClusterWrite, type PolicyWrites, planPolicies } from './plan-batch.ts';
import { type BatchContext, escapeNul, slices } from './statements.ts';

const writeClusterRows = async (writes: readonly ClusterWrite[], { trx, version, replica }: BatchContext): Promise<void> => {
  const rows = writes.map(({ after: { record, connectedBy, stream }, forgotten }) => ({
    name: record.name,
    connected_by: connectedBy,
    stream,
    last_seen: record.lastSeen,
    offered_revision: record.offeredRevision,
    acked_revision: record.acked?.revision ?? null,
    acked_digest: record.acked?.digest ?? null,
    nack_json: record.nack === null ? null : JSON.stringify(record.nack),
    report_json: record.report === null ? null : JSON.stringify(record.report),
    reported_seq: record.reportedSeq,
    reported_digest: record.reportedDigest,
    policies_changed: record.policiesChanged,
    version,
    full_version: forgotten ? version : 0,
    writer: replica,
  }));
  for (const values of slices(rows))
    await trx
      .insertInto('clusters')
      .values(values)
      .onConflict((conflict) =>
        conflict.column('name').doUpdateSet((eb) => ({
          connected_by: eb.ref('excluded.connected_by'),
          stream: eb.ref('excluded.stream'),
          last_seen: eb.ref('excluded.last_seen'),
          offered_revision: eb.ref('excluded.offered_revision'),
          acked_revision: eb.ref('excluded.acked_revision'),
          acked_digest: eb.ref('excluded.acked_digest'),
          nack_json: eb.ref('excluded.nack_json'),
          report_json: eb.ref('excluded.report_json'),
          reported_seq: eb.ref('excluded.reported_seq'),
          reported_digest: eb.ref('excluded.reported_digest'),
          policies_changed: eb.ref('excluded.policies_changed'),
          version: eb.ref('excluded.version'),
          full_version: sql<number>`case when excluded.full_version > 0 then excluded.full_version else clusters.full_version end`,
          writer: eb.ref('excluded.writer'),
        })),
      )
      .execute();
};

const dropPolicies = async (clusters: readonly string[], { trx }: BatchContext): Promise<void> => {
  if (clusters.length === 0) return;
  await trx.deleteFrom('policy_chunks').where('cluster', 'in', clusters).execute();
  await trx.deleteFrom('deviations').where('cluster', 'in', clusters).execute();
};

interface ClusterPlan extends PolicyWrites {
  readonly cluster: string;
  readonly policies: ClusterRecord['policies'];
}

function* chunkRows(plans: readonly ClusterPlan[], { version, texts }: BatchContext): Generator<Insertable<Schema['policy_chunks']>> {
  for (const { cluster, policies, chunks } of plans)
    for (const [chunk, content] of fillChunks(policies, chunks)) {
      const json = content.map((policy) => texts.get(policy) ?? JSON.stringify(policy));
      yield { cluster, chunk, policies_json: `[${json.join(',')}]`, version };
    }
}

const writeChunks = async (plans: readonly ClusterPlan[], context: BatchContext): Promise<void> => {
  for (const values of slices(chunkRows(plans, context), ({ policies_json }) => policies_json.length))
    await context.trx
      .insertInto('policy_chunks')
      .values(values)
      .onConflict((conflict) =>
        conflict
          .columns(['cluster', 'chunk'])
          .doUpdateSet((eb) => ({ policies_json: eb.ref('excluded.policies_json'), version: eb.ref('excluded.version') })),
      )
      .execute();
};

const dropDeviations = async (plans: readonly ClusterPlan[], { trx }: BatchContext): Promise<void> => {
  const keys = plans.flatMap(({ cluster, conforming }) => conforming.map((key) => sql`(${cluster}, ${escapeNul(key)})`));
  for (const values of slices(keys))
    await trx
      .deleteFrom('deviations')
      .where(sql<boolean>`(cluster, policy) in (values ${sql.join(values)})`)
      .execute();
};

const writeDeviations = async (plans: readonly ClusterPlan[], { trx, texts }: BatchContext): Promise<void> => {
  const rows = plans.flatMap(({ cluster, deviating }) =>
    deviating.map(([key, policy]) => ({
      cluster,
      policy: key,
      phase: policy.phase,
      violations: policy.violations,
      report_json: texts.get(policy) ?? JSON.stringify(policy),
    })),
  );
  for (const values of slices(rows, ({ report_json }) => report_json.length))
    await trx
      .insertInto('deviations')
      .values(values)
      .onConflict((conflict) =>
        conflict.columns(['cluster', 'policy']).doUpdateSet((eb) => ({
          phase: eb.ref('excluded.phase'),
          violations: eb.ref('excluded.violations'),
          report_json: eb.ref('excluded.report_json'),
        })),
      )
      .execute();
};

const writePolicies = async (writes: readonly ClusterWrite[], context: BatchContext): Promise<void> => {
  const plans = writes.map((write) => ({
    cluster: write.after.record.name,
    policies: write.after.record.policies,
    ...planPolicies(write),
  }));
  await writeChunks(plans, context);
  await dropDeviations(plans, context);
  await writeDeviations(plans, context);
};

/** The row of a cluster that was forgotten stays, without content: by its version the other hubs hear of it. */
const dropWitnesses = async (writes: readonly ClusterWrite[], { trx }: BatchContext): Promise<void> => {
  const forgotten = writes.flatMap(({ after: { record } }) => (isUnseen(record) ? [record.name] : []));
  if (forgotten.length > 0) await trx.deleteFrom('witnesses').where('cluster', 'in', forgotten).execute();
};

/** Writes the clusters of a batch and their policies. */
export const writeClusters = async (writes: readonly ClusterWrite[], context: BatchContext): Promise<void> => {
  if (writes.length === 0) return;
  await writeClusterRows(writes, context);
  await dropPolicies(
    writes.flatMap(({ forgotten, after }) => (forgotten ? [after.record.name] : [])),
    context,
  );
  await dropWitnesses(writes, context);
  await writePolicies(
    writes.filter(({ touched }) => touched.size > 0),
    context,
  );
};
