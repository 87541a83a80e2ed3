import type { Clock } from '@fso/shared/runtime';
import { createBackoff } from '@fso/shared/runtime';
import type pino from 'pino';
import type { Change } from '../changes.ts';
import { LedgerError } from '../ledger-error.ts';
import type { LedgerHealth } from '../types.ts';
import { describeDatabaseError, isPermanent } from './errors.ts';

export interface WriteQueue {
  /** Resolves once the change is committed. Waits for room first, so that whoever awaits it is held back. */
  submit(change: Change): Promise<void>;
  health(): LedgerHealth;
  close(): Promise<void>;
}

export interface WriteQueueOptions {
  /** Commits changes in order, all or none. `number` grows; a repeated one is the same batch, whose answer was lost. */
  readonly commit: (changes: readonly Change[], number: number) => Promise<void>;
  readonly clock: Clock;
  readonly random: () => number;
  readonly logger: pino.Logger;
  /** Changes that wait in memory. Default 10,000. */
  readonly maxQueued?: number;
}

interface Entry {
  /** Replaced where a newer one of its kind comes while it waits. */
  change: Change;
  readonly done: PromiseWithResolvers<void>;
  /** A `connected` of the same cluster stands right before it. */
  readonly repeats: boolean;
}

/**
 * Whether only the newest of two says anything: that a cluster comes and goes, as often as it likes, is at most two changes. The first
 * `true` is kept, because the audit log has an entry for the first time that a cluster connects.
 */
const isFolded = (last: Entry, change: Change): boolean => {
  if (last.change.type !== 'connected' || change.type !== 'connected') return false;
  return last.repeats || !last.change.connected || change.connected;
};

const clusterOf = (change: Change): string | null => ('cluster' in change ? change.cluster : null);

/** Changes of one transaction. */
const MAX_BATCH = 2_000;
const RETRY = { baseMs: 100, maxMs: 5_000, minMs: 20 };
const CLOSE_MS = 5_000;

const CLOSED = 'the ledger is closed';

/**
 * Gathers writes: while one transaction is under way all that come wait for the next one, so that their number does not grow with that of
 * the writes. A database that is away is tried again for ever; what waits is bounded, and then its writers wait.
 */
export const createWriteQueue = (options: WriteQueueOptions): WriteQueue => {
  const { commit, clock, logger, maxQueued = 10_000 } = options;
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

  /** @returns the error that the batch can never get past, if any */
  const commitUntilDone = async (batch: readonly Entry[]): Promise<unknown> => {
    number += 1;
    const changes = batch.map(({ change }) => change);
    for (;;) {
      try {
        await commit(changes, number);
        noteSuccess();
        return undefined;
      } catch (error) {
        if (isPermanent(error)) return error;
        noteFailure(error);
        await clock.sleep(backoff.next(), closing.signal);
      }
    }
  };

  const refuse = ({ change, done }: Entry, error: unknown): void => {
    logger.error({ err: error, change: change.type }, 'write refused by the ledger database');
    done.reject(error);
  };
  /** @returns whether nothing is left to do for the batch */
  const settle = async (batch: readonly Entry[]): Promise<boolean> => {
    const error = await commitUntilDone(batch);
    if (error !== undefined && batch.length > 1) return false;
    for (const entry of batch) {
      if (error === undefined) entry.done.resolve();
      else refuse(entry, error);
    }
    return true;
  };
  /** Where one of a batch is bad each is written by itself, so that the others are kept. */
  const settleAll = async (batch: readonly Entry[]): Promise<void> => {
    if (await settle(batch)) return;
    for (const entry of batch) await settle([entry]);
  };

  const takeBatch = (): Entry[] => {
    const batch = queue.slice(0, MAX_BATCH);
    queue = queue.slice(MAX_BATCH);
    for (const entry of batch) {
      const cluster = clusterOf(entry.change);
      if (cluster !== null && lastOf.get(cluster) === entry) lastOf.delete(cluster);
    }
    for (const room of rooms.splice(0, Math.max(0, maxQueued - queue.length))) room.resolve();
    return batch;
  };
  const work = async (): Promise<void> => {
    while (queue.length > 0) {
      const batch = takeBatch();
      try {
        closing.signal.throwIfAborted();
        await settleAll(batch);
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
      last.change = change;
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
      const late = new AbortController();
      await Promise.race([working ?? Promise.resolve(), clock.sleep(CLOSE_MS, late.signal).catch(() => undefined)]);
      late.abort();
      closing.abort(new LedgerError(CLOSED));
      for (const waiting of rooms.splice(0)) waiting.reject(new LedgerError(CLOSED));
      await working;
    },
  };
};
