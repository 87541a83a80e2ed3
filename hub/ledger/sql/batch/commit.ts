import type { Clock, Logger } from '@fso/shared/runtime';
import type { Transaction } from 'kysely';
import { isLeaderChange } from '../../changes.ts';
import type { Database } from '../database.ts';
import { BatchTooLargeError, CommitsLostError, CommittedError, describeDatabaseError, isExhausted } from '../errors.ts';
import type { HistoryKeeper } from '../history/history-keeper.ts';
import { missingLists } from '../named-lists.ts';
import { readEpoch } from '../replicas/lead.ts';
import type { ReplicaState } from '../replicas/replica-state.ts';
import type { Schema } from '../schema.ts';
import { type Batch, planBatch } from './plan-batch.ts';
import type { PreparedChange } from './prepared-change.ts';
import { beginBatch, type WrittenBatch, writeBatch } from './write-batch.ts';

const clustersOf = (changes: readonly PreparedChange[]): ReadonlySet<string> =>
  new Set(changes.flatMap(({ change }) => ('cluster' in change && change.cluster !== null ? [change.cluster] : [])));

/**
 * Leaves out changes of earlier terms. A leader that was cut off may not know yet that another hub
 * leads.
 */
const leaveOutFormerTerms = async (trx: Transaction<Schema>, changes: readonly PreparedChange[]): Promise<readonly PreparedChange[]> => {
  if (!changes.some(({ change }) => isLeaderChange(change))) return changes;
  const epoch = await readEpoch(trx);
  return changes.filter(({ change }) => !('epoch' in change) || change.epoch === epoch);
};

interface Commit {
  readonly batch: Batch;
  readonly written: WrittenBatch;
}

/**
 * Creates the function that commits a batch and updates the memory. No other hub writes during the
 * transaction.
 */
export const createCommit = (
  { database, clock, logger }: { readonly database: Database; readonly clock: Clock; readonly logger: Logger },
  { replicaState, histories, replica }: { replicaState: ReplicaState; histories: HistoryKeeper; replica: string },
) => {
  const { db, reads, shared } = database;
  /** @returns undefined if the batch was already committed and only the answer was lost */
  const write = async (changes: readonly PreparedChange[], number: number): Promise<Commit | undefined> => {
    // Until the batch is known to be new, a failure may concern one that is already committed.
    let isNew = false;
    try {
      return await db.transaction().execute(async (trx) => {
        const within = { trx, database, replica };
        const begun = await beginBatch(within, number, () => clock.now());
        if (begun === undefined) return undefined;
        isNew = true;
        if (shared) await replicaState.catchUpOn(trx, begun, clustersOf(changes), replica);
        const batch = await planBatch(shared ? await leaveOutFormerTerms(trx, changes) : changes, replicaState, replica);
        batch.lists.push(...(await missingLists(trx, { batch, lists: replicaState.lists }, clock.now().toISOString())));
        return { batch, written: await writeBatch(batch, begun.version, within) };
      });
    } catch (error) {
      if (isNew && isExhausted(error)) throw new BatchTooLargeError(describeDatabaseError(error), { cause: error });
      throw error;
    }
  };
  /**
   * Writes a batch. If the database lost commits that this hub knows, reads it again and plans the
   * batch on what it has.
   */
  const writeWithRecovery = async (changes: readonly PreparedChange[], number: number): Promise<Commit | undefined> => {
    try {
      return await write(changes, number);
    } catch (error) {
      if (!(error instanceof CommitsLostError)) throw error;
      await replicaState.startOver(reads, replica);
      return write(changes, number);
    }
  };
  const updateMemory = ({ batch, written }: Commit): void => {
    try {
      replicaState.learn(batch, written);
      histories.note(written.historyBytes);
    } catch (error) {
      logger.fatal({ err: error }, 'batch committed, but memory not updated: it is read from the database');
      throw error;
    }
  };
  return async (changes: readonly PreparedChange[], number: number): Promise<void> => {
    const done = await writeWithRecovery(changes, number);
    replicaState.noteCommitted(number);
    try {
      if (done === undefined) await replicaState.refresh(reads, [...clustersOf(changes)]);
      else updateMemory(done);
    } catch (error) {
      throw new CommittedError(describeDatabaseError(error), { cause: error });
    }
    const damaged = done?.written.damaged;
    // Logged once: the next entry follows the one just written.
    if (damaged !== undefined) logger.error({ sequence: damaged }, 'audit log damaged: its last entry cannot be read');
  };
};
