import type { EventView } from '@fso/shared/api';
import { canonicalJson } from '@fso/shared/encoding';
import { sql, type Transaction } from 'kysely';
import type { AuditHead } from '../../audit-log.ts';
import { chainEntry } from '../../audit-log.ts';
import { writeHistory } from '../cluster-history.ts';
import type { Schema } from '../schema.ts';
import { readHead } from '../search/audit-rows.ts';
import { lockWrites, nextVersion } from '../write-lock.ts';
import type { Batch } from './plan-batch.ts';
import { type BatchContext, escapeNul, slices } from './statements.ts';
import { writeClusters } from './write-clusters.ts';

const writeEvents = async (events: Batch['events'], { trx }: BatchContext): Promise<EventView[]> => {
  const byDigest = new Map(events.map((prepared) => [prepared.digest, prepared]));
  const rows = [...byDigest.values()].map(({ cluster, event, digest, json, received }) => ({
    cluster,
    policy: event.policy === undefined ? null : escapeNul(event.policy),
    severity: event.severity,
    reason: escapeNul(event.reason),
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

/** Channel by which a hub tells the others on its database that it wrote to the ledger. */
export const NOTIFY_CHANNEL = 'ledger_changes';

export interface WrittenBatch {
  readonly version: number;
  /** Those that were not there yet, by id. */
  readonly events: readonly EventView[];
  /** Number of an entry of the audit log that could not be read, and that the first one of the batch follows on. */
  readonly damaged: number | undefined;
  /** What was added to the histories of clusters, by name. */
  readonly historyBytes: ReadonlyMap<string, number>;
}

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

/** Writes a batch. @param time of the commit @returns its version, its new events, and a damaged entry that its audit entries follow on */
export const writeBatch = async (
  trx: Transaction<Schema>,
  batch: Batch,
  { replica, shared, time }: { replica: string; shared: boolean; time: string },
): Promise<WrittenBatch> => {
  const context: BatchContext = { trx, texts: batch.texts, replica, version: await nextVersion(trx, time) };
  const clusters = [...batch.clusters.values()];
  await writeClusters(clusters, context);
  const historyBytes = await writeHistory(clusters, trx);
  const events = await writeEvents(batch.events, context);
  await writeState(batch, context);
  const damaged = await writeAudit(batch.audit, context);
  await writeRecords(batch, context);
  await writeProofs(batch, context);
  if (shared) await sql`select pg_notify(${NOTIFY_CHANNEL}, ${replica})`.execute(trx);
  return { version: context.version, events, damaged, historyBytes };
};
