import { setTimeout as delay } from 'node:timers/promises';
import { type Backoff, type Clock, createBackoff, type Logger, settlesWithin } from '@fso/shared/runtime';
import type { Change } from '../../changes.ts';
import { LedgerError, type LedgerHealth } from '../../types.ts';
import { BatchTooLargeError, describeDatabaseError, isPermanent, isUnanswered } from '../errors.ts';
import { fold, isFolded } from './fold-changes.ts';
import { type PreparedChange, prepareChange } from './prepared-change.ts';

/** Commit function, clock and bounds of a write queue. */
export interface WriteQueueOptions {
  /**
   * Commits changes in order, all or none. `number` increases; a repeated number is the same batch,
   * sent again because its answer was lost.
   */
  readonly commit: (changes: readonly PreparedChange[], number: number) => Promise<void>;
  /** Aborts the running commit, which could otherwise block closing. */
  readonly cut: () => void;
  readonly clock: Clock;
  readonly random: () => number;
  readonly logger: Logger;
  /** Receives the result and the duration in seconds of each commit attempt. */
  readonly onCommit?: (result: 'ok' | 'error', seconds: number) => void;
  /** Maximum number of changes in the queue. Default: 10,000. */
  readonly maxQueued?: number;
  /**
   * Maximum number of writers that wait for room in the queue. Further ones are refused. Default:
   * 10,000.
   */
  readonly maxWaiting?: number;
}

interface Entry {
  /** Replaced when a newer change is merged into it. */
  change: Change;
  /** Prepared form of the change, created when it is put into a batch. */
  prepared?: PreparedChange;
  readonly done: PromiseWithResolvers<void>;
  /** Whether the change before it is also a `connected` of the same cluster. */
  readonly repeats: boolean;
}

const clusterOf = (change: Change): string | null => ('cluster' in change ? change.cluster : null);

interface PreparedEntry {
  readonly prepared: PreparedChange;
  readonly done: PromiseWithResolvers<void>;
}

type Attempt = { readonly end: 'committed' } | { readonly end: 'again' } | { readonly end: 'refused'; readonly error: unknown };

/**
 * Limits of one transaction: changes, rows, and characters of texts. A larger change gets its own
 * transaction. Readers of the fleet see all changes of a transaction at once and wait while they
 * are counted: 5,000 policies take some 30 ms.
 */
const MAX_BATCH = { changes: 2_000, rows: 5_000, size: 8 * 1024 * 1024 };
/**
 * Delay for gathering more writes, in milliseconds, if several arrived during the previous
 * transaction: each transaction costs about 2 ms of CPU. A single write is not delayed, because it
 * may depend on the previous one.
 */
const GATHER = { ms: 20, from: 2, upTo: 100 };
const RETRY = { baseMs: 100, maxMs: 5_000, minMs: 20 };
const CLOSE_MS = 5_000;

/** Prepares the first entries of a queue, as many as fit into one transaction. */
const prepareBatch = (queue: readonly Entry[]): PreparedEntry[] => {
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

const CLOSED = 'the ledger is closed';
const FULL = 'too many writes wait for the database';

/**
 * Queue that gathers writes: all that arrive during a transaction form the next one, so the number
 * of transactions does not grow with that of writes. If the database is unavailable, it retries
 * forever. The queue is bounded; beyond that writers wait.
 */
export class WriteQueue {
  readonly #options: WriteQueueOptions;
  readonly #maxQueued: number;
  readonly #maxWaiting: number;
  readonly #backoff: Backoff;
  readonly #closing = new AbortController();
  readonly #rooms: PromiseWithResolvers<void>[] = [];
  /** Last waiting change of each cluster; see {@link isFolded}. */
  readonly #lastOf = new Map<string, Entry>();
  #queue: Entry[] = [];
  #number = 0;
  #working: Promise<void> | undefined;
  #outage: { since: string; message: string } | undefined;
  #unanswered = 0;

  constructor(options: WriteQueueOptions) {
    this.#options = options;
    this.#maxQueued = options.maxQueued ?? 10_000;
    this.#maxWaiting = options.maxWaiting ?? 10_000;
    this.#backoff = createBackoff({ ...RETRY, random: options.random });
  }

  /**
   * Queues a change and resolves once it is committed. Waits for room first, which slows down the
   * caller.
   *
   * @throws LedgerError if the queue is closed or full; the error of the database if it refuses the
   * change
   */
  async submit(change: Change): Promise<void> {
    if (this.#closing.signal.aborted) throw new LedgerError(CLOSED);
    // Writers that already wait for room come first.
    if (this.#queue.length >= this.#maxQueued || this.#rooms.length > 0) await this.#waitForRoom();
    await this.#put(change);
  }

  /** Number of waiting changes. */
  get length(): number {
    return this.#queue.length;
  }

  /** Number of consecutive attempts that the database did not answer. */
  get unanswered(): number {
    return this.#unanswered;
  }

  health(): LedgerHealth {
    return this.#outage === undefined ? { ok: true } : { ok: false, ...this.#outage };
  }

  /**
   * Commits waiting changes if the database answers within a few seconds. All other writers get a
   * LedgerError.
   */
  async close(): Promise<void> {
    const inTime = await settlesWithin(this.#working ?? Promise.resolve(), CLOSE_MS);
    this.#closing.abort(new LedgerError(CLOSED));
    for (const waiting of this.#rooms.splice(0)) waiting.reject(new LedgerError(CLOSED));
    if (!inTime) this.#options.cut();
    await this.#working;
  }

  async #waitForRoom(): Promise<void> {
    if (this.#rooms.length >= this.#maxWaiting) throw new LedgerError(FULL);
    while (this.#queue.length >= this.#maxQueued) {
      const waiting = Promise.withResolvers<void>();
      this.#rooms.push(waiting);
      await waiting.promise;
    }
  }

  #put(change: Change): Promise<void> {
    const cluster = clusterOf(change);
    const last = cluster === null ? undefined : this.#lastOf.get(cluster);
    if (last !== undefined && isFolded(last, change)) {
      last.change = fold(last.change, change);
      delete last.prepared;
      return last.done.promise;
    }
    const repeats = last?.change.type === 'connected' && change.type === 'connected';
    const entry: Entry = { change, done: Promise.withResolvers(), repeats };
    this.#queue.push(entry);
    if (cluster !== null) this.#lastOf.set(cluster, entry);
    this.#wake();
    return entry.done.promise;
  }

  #wake(): void {
    // Deferred, so that changes submitted in the same turn share a transaction.
    this.#working ??= Promise.resolve()
      .then(() => this.#work())
      .finally(() => {
        this.#working = undefined;
        if (this.#queue.length > 0) this.#wake();
      });
  }

  async #work(): Promise<void> {
    while (this.#queue.length > 0) {
      const batch = this.#takeBatch();
      try {
        this.#closing.signal.throwIfAborted();
        await this.#settle(batch);
      } catch (error) {
        for (const { done } of batch) done.reject(error);
      }
      await this.#gather();
    }
  }

  /**
   * Waits for more changes if some, but not many, arrived during the last transaction
   * ({@link GATHER}). A single one does not wait.
   */
  async #gather(): Promise<void> {
    const { length } = this.#queue;
    if (length < GATHER.from || length >= GATHER.upTo) return;
    await delay(GATHER.ms, undefined, { signal: this.#closing.signal }).catch(() => undefined);
  }

  #takeBatch(): PreparedEntry[] {
    const batch = prepareBatch(this.#queue);
    for (const entry of this.#queue.slice(0, batch.length)) {
      const cluster = clusterOf(entry.change);
      if (cluster !== null && this.#lastOf.get(cluster) === entry) this.#lastOf.delete(cluster);
    }
    this.#queue = this.#queue.slice(batch.length);
    for (const room of this.#rooms.splice(0, Math.max(0, this.#maxQueued - this.#queue.length))) room.resolve();
    return batch;
  }

  /**
   * Commits a batch; if it fails, halves it. So a batch that is too large fits in the end, and a
   * single bad change fails alone.
   */
  async #settle(batch: readonly PreparedEntry[]): Promise<void> {
    const error = await this.#commitUntilDone(batch);
    const middle = Math.floor(batch.length / 2);
    if (error !== undefined && middle > 0) {
      await this.#settle(batch.slice(0, middle));
      await this.#settle(batch.slice(middle));
      return;
    }
    for (const entry of batch) {
      if (error === undefined) entry.done.resolve();
      else this.#refuse(entry, error);
    }
  }

  /** @returns the error if the batch can never be committed as it is */
  async #commitUntilDone(batch: readonly PreparedEntry[]): Promise<unknown> {
    this.#number += 1;
    let last = await this.#attempt(batch);
    while (last.end === 'again') last = await this.#attempt(batch);
    if (last.end === 'refused') return last.error;
    this.#noteAnswer();
    return undefined;
  }

  async #attempt(batch: readonly PreparedEntry[]): Promise<Attempt> {
    const changes = batch.map(({ prepared }) => prepared);
    try {
      await this.#commit(changes);
      return { end: 'committed' };
    } catch (error) {
      if (isPermanent(error)) {
        this.#noteAnswer();
        return { end: 'refused', error };
      }
      this.#noteFailure(error);
      await this.#options.clock.sleep(this.#backoff.next(), this.#closing.signal);
      return error instanceof BatchTooLargeError && batch.length > 1 ? { end: 'refused', error } : { end: 'again' };
    }
  }

  async #commit(changes: readonly PreparedChange[]): Promise<void> {
    const { commit, clock, onCommit } = this.#options;
    const started = clock.monotonicMs();
    let result: 'ok' | 'error' = 'error';
    try {
      await commit(changes, this.#number);
      result = 'ok';
    } finally {
      onCommit?.(result, (clock.monotonicMs() - started) / 1000);
    }
  }

  #refuse({ prepared: { change }, done }: PreparedEntry, error: unknown): void {
    this.#options.logger.error({ err: error, change: change.type }, 'write refused by the ledger database');
    done.reject(error);
  }

  #noteFailure(error: unknown): void {
    const message = describeDatabaseError(error);
    this.#unanswered = isUnanswered(error) ? this.#unanswered + 1 : 0;
    if (this.#outage === undefined) this.#options.logger.error({ reason: message }, 'ledger database unreachable');
    this.#outage = { since: this.#outage?.since ?? this.#options.clock.now().toISOString(), message };
  }

  /** Records that the database accepted a batch, or refused it for good: it is reachable. */
  #noteAnswer(): void {
    if (this.#outage !== undefined) this.#options.logger.info({ since: this.#outage.since }, 'ledger database reachable again');
    this.#outage = undefined;
    this.#unanswered = 0;
    this.#backoff.reset();
  }
}
