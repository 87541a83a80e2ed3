import { randomUUID } from 'node:crypto';
import type { NewAuditEntry } from '@fso/shared/api';
import type { Clock } from '@fso/shared/runtime';
import { type Kysely, sql, type Transaction } from 'kysely';
import type { AuditKey } from '../audit/key.ts';
import { type Change, isUnseen, neverSeenCluster } from '../changes.ts';
import type { ValueChange, ValueKey } from '../keyed-store.ts';
import { PolicyLists } from '../policies/index.ts';
import { LedgerError } from '../types.ts';
import { planBatch, type StoredCluster } from './batch/plan-batch.ts';
import { prepareChange } from './batch/prepared-change.ts';
import { writeBatch } from './batch/write-batch.ts';
import type { Database } from './database.ts';
import { migrate } from './migrate.ts';
import { readClusters } from './replicas/load.ts';
import { DEAD_SECONDS } from './replicas/replicas.ts';
import type { Schema } from './schema.ts';
import { createSqlAudit } from './search/audit-log.ts';
import { lockWrites, nextVersion } from './write-lock.ts';

/** Cluster to forget while no hub runs, and the actor. */
export interface ForgetStored {
  readonly cluster: string;
  readonly actor: NewAuditEntry['actor'];
  /** Change that ends the enrolment of the cluster. */
  readonly enrolment: ValueKey & { readonly change: ValueChange };
  /** Key that signs the new end of the audit log, if it also signed the newest checkpoint. */
  readonly key: AuditKey | undefined;
}

/**
 * Refuses if a hub uses the database, because it would continue with its state in memory.
 *
 * @throws LedgerError
 */
const refuseRunning = async (trx: Transaction<Schema>): Promise<void> => {
  const alive = sql<boolean>`heartbeat > now() - make_interval(secs => ${DEAD_SECONDS})`;
  if ((await trx.selectFrom('replicas').select('id').where(alive).limit(1).execute()).length === 0) return;
  throw new LedgerError(
    `a hub works on this database, or did until ${DEAD_SECONDS} s ago: ask that hub (fso clusters forget), or stop all hubs on it first`,
  );
};

/** Reads the stored cluster. As no hub runs, it is not connected. */
const readCluster = async (trx: Transaction<Schema>, cluster: string): Promise<StoredCluster> => {
  const nothing = { record: neverSeenCluster(cluster), connectedBy: null, stream: null, version: 0, writtenSeen: null };
  for await (const stored of readClusters(trx, [cluster], { lists: new PolicyLists(), knownOf: () => nothing }))
    return { ...stored, connectedBy: null, record: { ...stored.record, connected: false, notObserved: null } };
  return nothing;
};

const readRecord = async (trx: Transaction<Schema>, { kind, name }: ValueKey): Promise<unknown> => {
  const row = await trx.selectFrom('records').select('value_json').where('kind', '=', kind).where('name', '=', name).executeTakeFirst();
  return row?.value_json == null ? undefined : JSON.parse(row.value_json);
};

/** Signs the newest audit entry. @returns whether a checkpoint of this key now covers it */
const signNewest = async (db: Kysely<Schema>, key: AuditKey | undefined, clock: Clock): Promise<boolean> => {
  const log = createSqlAudit(db, () => Promise.reject(new Error('only read here')));
  const last = await log.lastCheckpoint();
  if (key === undefined || (last !== null && last.key !== key.id)) return false;
  const checkpoint = key.sign({ ...(await log.head()), time: clock.now().toISOString() });
  await db
    .insertInto('checkpoints')
    .values(checkpoint)
    .onConflict((conflict) => conflict.doNothing())
    .execute();
  return true;
};

/**
 * Removes everything known of a cluster except its history from a ledger that no hub has open, and
 * ends its enrolment. One transaction also writes the audit entry; the checkpoint follows.
 *
 * @returns whether a checkpoint was signed; if not, the next hub signs one
 * @throws LedgerError if the cluster is unknown, or a hub uses the database
 */
export const forgetStored = async (database: Database, options: ForgetStored, clock: Clock): Promise<boolean> => {
  const { cluster, actor, enrolment, key } = options;
  await migrate(database);
  return database.patiently(async (db) => {
    await db.transaction().execute(async (trx) => {
      if (database.shared) {
        await lockWrites(trx);
        await refuseRunning(trx);
      }
      const stored = await readCluster(trx, cluster);
      const before = await readRecord(trx, enrolment);
      if (isUnseen(stored.record) && enrolment.change(before) === before) throw new LedgerError(`the ledger knows no cluster ${cluster}`);
      const time = clock.now().toISOString();
      const entry: NewAuditEntry = { actor, from: null, action: 'ledger.forget', subject: cluster, detail: { without: 'a running hub' } };
      const changes: Change[] = [
        { type: 'forget', time, cluster },
        { type: 'record', time, ...enrolment, outcome: {} },
        { type: 'audit', time, entry },
      ];
      const replica = randomUUID();
      const nothing = { policies: 0, whole: 0, bytes: 0 };
      const ledger = {
        source: null,
        desired: null,
        cluster: () => stored,
        record: () => before,
        quotaOf: () => nothing,
        lists: new PolicyLists(),
      };
      const version = await nextVersion(trx, time);
      await writeBatch(await planBatch(changes.map(prepareChange), ledger, replica), version, { trx, database, replica });
    });
    return signNewest(db, key, clock);
  });
};
