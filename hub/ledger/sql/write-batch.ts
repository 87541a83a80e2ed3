import type { EventView } from '@fso/shared/api';
import { canonicalJson } from '@fso/shared/encoding';
import { type Insertable, sql, type Transaction } from 'kysely';
import { chainEntry } from '../audit/chain.ts';
import type { AuditHead } from '../audit/types.ts';
import { isUnseen } from '../changes.ts';
import type { ClusterRecord } from '../types.ts';
import { readHead } from './audit-rows.ts';
import { fillChunks } from './chunks.ts';
import { type Batch, type ClusterWrite, type PolicyWrites, planPolicies } from './plan-batch.ts';
import type { Schema } from './schema.ts';

/** Rows of one statement: PostgreSQL takes 65,535 parameters, SQLite 32,766. */
const ROWS = 1_000;
/** Characters of one statement's texts, so that it stays far below the time that a statement may take. */
const CHARACTERS = 4 * 1024 * 1024;

/** Rows as they go into statements, made only when it is their turn. */
function* slices<T>(rows: Iterable<T>, sizeOf: (row: T) => number = () => 0): Generator<T[]> {
  let slice: T[] = [];
  let size = 0;
  for (const row of rows) {
    const added = sizeOf(row);
    if (slice.length === ROWS || (slice.length > 0 && size + added > CHARACTERS)) {
      yield slice;
      slice = [];
      size = 0;
    }
    slice.push(row);
    size += added;
  }
  if (slice.length > 0) yield slice;
}

/** PostgreSQL keeps no NUL in a text, and SQLite compares only what comes before it; in JSON it is escaped. */
const text = (value: string): string => value.replaceAll('\0', '\uFFFD');

interface BatchContext {
  readonly trx: Transaction<Schema>;
  readonly texts: Batch['texts'];
  readonly version: number;
  readonly replica: string;
}

const writeClusterRows = async (writes: readonly ClusterWrite[], { trx, version, replica }: BatchContext): Promise<void> => {
  const rows = writes.map(({ after: { record, connectedBy, stream }, full }) => ({
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
    version,
    full_version: full ? version : 0,
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
  const keys = plans.flatMap(({ cluster, conforming }) => conforming.map((key) => sql`(${cluster}, ${text(key)})`));
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

const writeClusters = async (writes: readonly ClusterWrite[], context: BatchContext): Promise<void> => {
  if (writes.length === 0) return;
  await writeClusterRows(writes, context);
  await dropPolicies(
    writes.flatMap(({ full, after }) => (full ? [after.record.name] : [])),
    context,
  );
  await dropWitnesses(writes, context);
  await writePolicies(
    writes.filter(({ full, touched }) => full || touched.size > 0),
    context,
  );
};

const writeEvents = async (events: Batch['events'], { trx }: BatchContext): Promise<EventView[]> => {
  const byDigest = new Map(events.map((prepared) => [prepared.digest, prepared]));
  const rows = [...byDigest.values()].map(({ cluster, event, digest, json, received }) => ({
    cluster,
    policy: event.policy === undefined ? null : text(event.policy),
    severity: event.severity,
    reason: text(event.reason),
    received,
    time_ms: Date.parse(event.time),
    digest,
    event_json: json,
  }));
  const views: EventView[] = [];
  for (const values of slices(rows, ({ event_json }) => event_json.length)) {
    const written = await trx
      .insertInto('events')
      .values(values)
      .onConflict((conflict) => conflict.column('digest').doNothing())
      .returning(['id', 'digest'])
      .execute();
    for (const { id, digest } of written) {
      const found = byDigest.get(digest);
      if (found !== undefined) views.push({ ...found.event, id, cluster: found.cluster });
    }
  }
  return views.sort((a, b) => a.id - b.id);
};

/** @returns the number of the entry before, where it was damaged */
const writeAudit = async (audit: Batch['audit'], { trx }: BatchContext): Promise<number | undefined> => {
  if (audit.length === 0) return undefined;
  const end = await readHead(trx);
  let head: AuditHead = end;
  const rows = audit.map(({ entry, time }) => {
    const placed = chainEntry(entry, head, time);
    head = placed;
    return { sequence: placed.sequence, entry_json: canonicalJson(placed) };
  });
  for (const values of slices(rows, ({ entry_json }) => entry_json.length)) await trx.insertInto('audit').values(values).execute();
  return end.damaged ? end.sequence : undefined;
};

const writeState = async (batch: Batch, { trx, version, replica: writer }: BatchContext): Promise<void> => {
  const values = [
    ...(batch.source === null ? [] : [{ name: 'source' as const, json: JSON.stringify(batch.source), version, writer }]),
    ...(batch.desired === null ? [] : [{ name: 'desired' as const, json: JSON.stringify(batch.desired), version, writer }]),
  ];
  if (values.length === 0) return;
  await trx
    .insertInto('state')
    .values(values)
    .onConflict((conflict) =>
      conflict
        .column('name')
        .doUpdateSet((eb) => ({ json: eb.ref('excluded.json'), version: eb.ref('excluded.version'), writer: eb.ref('excluded.writer') })),
    )
    .execute();
};

const writeRecords = async ({ records }: Batch, { trx, version }: BatchContext): Promise<void> => {
  const rows = [...records.values()].map(({ kind, name, value }) => ({
    kind,
    name,
    value_json: value === undefined ? null : JSON.stringify(value),
    version,
  }));
  for (const values of slices(rows))
    await trx
      .insertInto('records')
      .values(values)
      .onConflict((conflict) =>
        conflict
          .columns(['kind', 'name'])
          .doUpdateSet((eb) => ({ value_json: eb.ref('excluded.value_json'), version: eb.ref('excluded.version') })),
      )
      .execute();
};

const writeProofs = async ({ checkpoints, witnesses }: Batch, { trx }: BatchContext): Promise<void> => {
  if (checkpoints.length > 0)
    await trx
      .insertInto('checkpoints')
      .values(checkpoints)
      .onConflict((conflict) => conflict.doNothing())
      .execute();
  const rows = [...witnesses].map(([cluster, { checkpoint, time }]) => ({ cluster, ...checkpoint, seen: time }));
  if (rows.length === 0) return;
  await trx
    .insertInto('witnesses')
    .values(rows)
    .onConflict((conflict) =>
      conflict.column('cluster').doUpdateSet((eb) => ({
        sequence: eb.ref('excluded.sequence'),
        hash: eb.ref('excluded.hash'),
        time: eb.ref('excluded.time'),
        key: eb.ref('excluded.key'),
        signature: eb.ref('excluded.signature'),
        seen: eb.ref('excluded.seen'),
      })),
    )
    .execute();
};

export interface WrittenBatch {
  readonly version: number;
  /** Those that were not there yet, by id. */
  readonly events: readonly EventView[];
  /** Number of an entry of the audit log that could not be read, and that the first one of the batch follows on. */
  readonly damaged: number | undefined;
}

/** Number of the advisory lock that writers take in turn, so that versions, events and audit entries grow in the order of the commits. */
const WRITE_LOCK = 0x46534f01;
/** Where a hub says that it wrote something, to others on the same database. */
export const NOTIFY_CHANNEL = 'ledger_changes';

/** Until the end of the transaction nobody else writes. */
export const lockWrites = async (trx: Transaction<Schema>): Promise<void> => {
  await sql`select pg_advisory_xact_lock(${WRITE_LOCK})`.execute(trx);
};

export const nextVersion = async (trx: Transaction<Schema>): Promise<number> => {
  const { value } = await trx
    .updateTable('ledger_version')
    .set((eb) => ({ value: eb('value', '+', 1) }))
    .returning('value')
    .executeTakeFirstOrThrow();
  return value;
};

/**
 * Begins a batch: waits for other writers and says whether the batch is new. It is not where its commit was done and only the answer was lost.
 */
export const beginBatch = async (
  trx: Transaction<Schema>,
  replica: string,
  { number: batch, shared }: { number: number; shared: boolean },
): Promise<boolean> => {
  if (shared) await lockWrites(trx);
  const fence = await trx
    .insertInto('replicas')
    .values({ id: replica, batch })
    .onConflict((conflict) =>
      conflict.column('id').doUpdateSet({ batch, heartbeat: sql`current_timestamp` }).where('replicas.batch', '<', batch),
    )
    .returning('id')
    .execute();
  return fence.length === 1;
};

export const writeBatch = async (
  trx: Transaction<Schema>,
  batch: Batch,
  { replica, shared }: { replica: string; shared: boolean },
): Promise<WrittenBatch> => {
  const context: BatchContext = { trx, texts: batch.texts, replica, version: await nextVersion(trx) };
  await writeClusters([...batch.clusters.values()], context);
  const events = await writeEvents(batch.events, context);
  await writeState(batch, context);
  const damaged = await writeAudit(batch.audit, context);
  await writeRecords(batch, context);
  await writeProofs(batch, context);
  if (shared) await sql`select pg_notify(${NOTIFY_CHANNEL}, ${replica})`.execute(trx);
  return { version: context.version, events, damaged };
};
