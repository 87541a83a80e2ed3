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

/** A leader that was cut off may find out late that another one has taken over. */
const leaveOutFormerTerms = async (trx: Transaction<Schema>, changes: readonly PreparedChange[]): Promise<readonly PreparedChange[]> => {
  if (!changes.some(({ change }) => isLeaderChange(change))) return changes;
  const epoch = await readEpoch(trx);
  return changes.filter(({ change }) => !('epoch' in change) || change.epoch === epoch);
};

interface Commit {
  readonly batch: Batch;
  readonly written: WrittenBatch;
}

/** Writes a batch and takes it into memory; no other hub writes meanwhile. */
export const createCommit = (
  { database, clock, logger }: { readonly database: Database; readonly clock: Clock; readonly logger: Logger },
  { replicaState, histories, replica }: { replicaState: ReplicaState; histories: HistoryKeeper; replica: string },
) => {
  const { db, reads, shared } = database;
  /** @returns undefined where the batch was committed before, and only the answer was lost */
  const write = async (changes: readonly PreparedChange[], number: number): Promise<Commit | undefined> => {
    // Before that is known nothing may be concluded from a failure: the batch may be there already.
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
  /** Plans on what the database has, where it has lost what this hub knows. */
  const writeAnew = async (changes: readonly PreparedChange[], number: number): Promise<Commit | undefined> => {
    try {
      return await write(changes, number);
    } catch (error) {
      if (!(error instanceof CommitsLostError)) throw error;
      await replicaState.startOver(reads, replica);
      return write(changes, number);
    }
  };
  const learn = ({ batch, written }: Commit): void => {
    try {
      replicaState.learn(batch, written);
      histories.note(written.historyBytes);
    } catch (error) {
      logger.fatal({ err: error }, 'batch committed, but not taken into memory: it is read from the database');
      throw error;
    }
  };
  return async (changes: readonly PreparedChange[], number: number): Promise<void> => {
    const done = await writeAnew(changes, number);
    replicaState.noteCommitted(number);
    try {
      if (done === undefined) await replicaState.refresh(reads, [...clustersOf(changes)]);
      else learn(done);
    } catch (error) {
      throw new CommittedError(describeDatabaseError(error), { cause: error });
    }
    const damaged = done?.written.damaged;
    // Once: what is written next follows on what was written now.
    if (damaged !== undefined) logger.error({ sequence: damaged }, 'audit log damaged: its last entry cannot be read');
  };
};
