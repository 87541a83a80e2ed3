import { type Clock, createBackoff, type Logger, settlesWithin } from '@fso/shared/runtime';
import type { Change } from '../changes.ts';
import { LedgerError } from '../ledger-error.ts';
import type { LedgerHealth } from '../types.ts';
import { BatchTooLargeError, describeDatabaseError, isPermanent } from './errors.ts';
import { type PreparedChange, prepareChange } from './prepared-change.ts';

export interface WriteQueue {
  /** Resolves once the change is committed. Waits for room first, so that whoever awaits it is held back. */
  submit(change: Change): Promise<void>;
  health(): LedgerHealth;
  close(): Promise<void>;
}

export interface WriteQueueOptions {
  /** Commits changes in order, all or none. `number` grows; a repeated one is the same batch, whose answer was lost. */
  readonly commit: (changes: readonly PreparedChange[], number: number) => Promise<void>;
  /** Ends a commit that is under way: one that hangs would keep the queue from closing. */
  readonly cut: () => void;
  readonly clock: Clock;
  readonly random: () => number;
  readonly logger: Logger;
  /** Changes that wait in memory. Default 10,000. */
  readonly maxQueued?: number;
  /** Writers that wait for room; one more is refused. Default 10,000. */
  readonly maxWaiting?: number;
}

interface Entry {
  /** Replaced where a newer one of its kind comes while it waits. */
  change: Change;
  /** Made when it is looked at for a batch. */
  prepared?: PreparedChange;
  readonly done: PromiseWithResolvers<void>;
  /** A `connected` of the same cluster stands right before it. */
  readonly repeats: boolean;
}

type Connected = Extract<Change, { type: 'connected' }>;

/**
 * Whether only the newest of two says anything: that a cluster comes and goes, as often as it likes, is at most two changes. The first
 * `true` is kept, because the audit log has an entry for the first time that a cluster connects.
 */
const isFolded = (last: Entry, change: Change): change is Connected => {
  if (last.change.type !== 'connected' || change.type !== 'connected') return false;
  // Of another stream only its beginning says more than what waits.
  if (change.stream?.id !== last.change.stream?.id && change.opens !== true) return false;
  return last.repeats || !last.change.connected || change.connected;
};

/** What two changes say that a cluster is connected, or is not. */
const fold = (last: Change, change: Connected): Connected =>
  last.type === 'connected' && last.opens === true ? { ...change, opens: true } : change;

const clusterOf = (change: Change): string | null => ('cluster' in change ? change.cluster : null);

interface PreparedEntry {
  readonly prepared: PreparedChange;
  readonly done: PromiseWithResolvers<void>;
}

type Attempt = { readonly end: 'committed' } | { readonly end: 'again' } | { readonly end: 'refused'; readonly error: unknown };

/** Of one transaction: changes, rows, and characters of texts. A change that is larger is a transaction of its own. */
const MAX_BATCH = { changes: 2_000, rows: 20_000, size: 8 * 1024 * 1024 };
const RETRY = { baseMs: 100, maxMs: 5_000, minMs: 20 };
const CLOSE_MS = 5_000;

const CLOSED = 'the ledger is closed';
const FULL = 'too many writes wait for the database';

/**
 * Gathers writes: while one transaction is under way all that come wait for the next one, so that their number does not grow with that of
 * the writes. A database that is away is tried again for ever; what waits is bounded, and then its writers wait.
 */
export const createWriteQueue = (options: WriteQueueOptions): WriteQueue => {
  const { commit, clock, logger, maxQueued = 10_000, maxWaiting = 10_000 } = options;
  const backoff = createBackoff({ ...RETRY, random: options.random });
  const closing = new AbortController();
  const rooms: PromiseWithResolvers<void>[] = [];
  /** Last change of a cluster that waits; see {@link isFolded}. */
  const lastOf = new Map<string, Entry>();
  let queue: Entry[] = [];
  let number = 0;
  let working: Promise<void> | undefined;
  let outage: { since: string; message: string } | undefined;

  const noteFailure = (error: unknown): void => {
    const message = describeDatabaseError(error);
    if (outage === undefined) logger.error({ reason: message }, 'ledger database unreachable');
    outage = { since: outage?.since ?? clock.now().toISOString(), message };
  };
  const noteSuccess = (): void => {
    if (outage !== undefined) logger.info({ since: outage.since }, 'ledger database reachable again');
    outage = undefined;
    backoff.reset();
  };

  const attempt = async (batch: readonly PreparedEntry[]): Promise<Attempt> => {
    try {
      await commit(
        batch.map(({ prepared }) => prepared),
        number,
      );
      return { end: 'committed' };
    } catch (error) {
      if (isPermanent(error)) return { end: 'refused', error };
      noteFailure(error);
      await clock.sleep(backoff.next(), closing.signal);
      return error instanceof BatchTooLargeError && batch.length > 1 ? { end: 'refused', error } : { end: 'again' };
    }
  };
  /** @returns the error that the batch can never get past as it is, if any */
  const commitUntilDone = async (batch: readonly PreparedEntry[]): Promise<unknown> => {
    number += 1;
    let last = await attempt(batch);
    while (last.end === 'again') last = await attempt(batch);
    if (last.end === 'refused') return last.error;
    noteSuccess();
    return undefined;
  };

  const refuse = ({ prepared: { change }, done }: PreparedEntry, error: unknown): void => {
    logger.error({ err: error, change: change.type }, 'write refused by the ledger database');
    done.reject(error);
  };
  /** What does not go as a whole is halved: what is too much fits in the end, and one bad change is found without the others. */
  const settle = async (batch: readonly PreparedEntry[]): Promise<void> => {
    const error = await commitUntilDone(batch);
    const middle = Math.floor(batch.length / 2);
    if (error !== undefined && middle > 0) {
      await settle(batch.slice(0, middle));
      await settle(batch.slice(middle));
      return;
    }
    for (const entry of batch) {
      if (error === undefined) entry.done.resolve();
      else refuse(entry, error);
    }
  };

  /** The first of the queue, as many as go into one transaction. */
  const prepareBatch = (): PreparedEntry[] => {
    const batch: PreparedEntry[] = [];
    let [rows, size] = [0, 0];
    for (const entry of queue) {
      entry.prepared ??= prepareChange(entry.change);
      rows += entry.prepared.rows;
      size += entry.prepared.size;
      const fits = batch.length < MAX_BATCH.changes && rows <= MAX_BATCH.rows && size <= MAX_BATCH.size;
      if (batch.length > 0 && !fits) break;
      batch.push({ prepared: entry.prepared, done: entry.done });
    }
    return batch;
  };
  const takeBatch = (): PreparedEntry[] => {
    const batch = prepareBatch();
    for (const entry of queue.slice(0, batch.length)) {
      const cluster = clusterOf(entry.change);
      if (cluster !== null && lastOf.get(cluster) === entry) lastOf.delete(cluster);
    }
    queue = queue.slice(batch.length);
    for (const room of rooms.splice(0, Math.max(0, maxQueued - queue.length))) room.resolve();
    return batch;
  };
  const work = async (): Promise<void> => {
    while (queue.length > 0) {
      const batch = takeBatch();
      try {
        closing.signal.throwIfAborted();
        await settle(batch);
      } catch (error) {
        for (const { done } of batch) done.reject(error);
      }
    }
  };
  const wake = (): void => {
    // On the next turn, so that what is submitted in one go is one transaction.
    working ??= Promise.resolve()
      .then(work)
      .finally(() => {
        working = undefined;
        if (queue.length > 0) wake();
      });
  };

  const room = async (): Promise<void> => {
    if (rooms.length >= maxWaiting) throw new LedgerError(FULL);
    while (queue.length >= maxQueued) {
      const waiting = Promise.withResolvers<void>();
      rooms.push(waiting);
      await waiting.promise;
    }
  };
  const put = (change: Change): Promise<void> => {
    const cluster = clusterOf(change);
    const last = cluster === null ? undefined : lastOf.get(cluster);
    if (last !== undefined && isFolded(last, change)) {
      last.change = fold(last.change, change);
      delete last.prepared;
      return last.done.promise;
    }
    const repeats = last?.change.type === 'connected' && change.type === 'connected';
    const entry: Entry = { change, done: Promise.withResolvers(), repeats };
    queue.push(entry);
    if (cluster !== null) lastOf.set(cluster, entry);
    wake();
    return entry.done.promise;
  };

  return {
    submit: async (change) => {
      if (closing.signal.aborted) throw new LedgerError(CLOSED);
      // Whoever waits for room was there first.
      if (queue.length >= maxQueued || rooms.length > 0) await room();
      await put(change);
    },
    health: () => (outage === undefined ? { ok: true } : { ok: false, ...outage }),
    close: async () => {
      const inTime = await settlesWithin(working ?? Promise.resolve(), CLOSE_MS);
      closing.abort(new LedgerError(CLOSED));
      for (const waiting of rooms.splice(0)) waiting.reject(new LedgerError(CLOSED));
      if (!inTime) options.cut();
      await working;
    },
  };
};
