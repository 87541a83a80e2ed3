import type { KubeObject } from '../../api/index.ts';
import { type Backoff, createBackoff, type Logger, messageOf, type Runtime } from '../../runtime/index.ts';
import type { KubeClient } from '../client/client.ts';
import { listAll } from '../client/list.ts';
import { WATCH_SILENCE_MS, watch } from '../client/watch.ts';
import { isForbidden, isGone, isNotFound, KubeApiError } from '../errors.ts';
import { collectionPath } from '../paths.ts';
import type { InformerOptions, KindDescriptor, ReadFailure } from '../types.ts';
import { isOlderVersion, newerVersion } from './resource-version.ts';

/** Receiver of the objects of a reflector. */
export interface ReflectorSink<T> {
  /** Replaces all objects. */
  replace(objects: readonly T[]): void;
  upsert(object: T): void;
  remove(object: T): void;
  /** Sets whether the API server serves the kind now. */
  setServed(served: boolean): void;
  /**
   * Records that the kind was seen.
   *
   * @param atMs monotonic
   * @param isWhole whether by a full list, or a response that it does not exist, and not by an
   * event alone
   */
  setSeen(atMs: number, isWhole: boolean): void;
  /** Sets the reason why the last request failed; undefined if it did not. */
  setFailure(failure: ReadFailure | undefined): void;
}

/** Kind to list and watch, the receiver of its objects, and the waits between attempts. */
export interface ReflectorOptions<T extends KubeObject> extends Runtime {
  readonly client: KubeClient;
  readonly kind: KindDescriptor<T>;
  readonly list: InformerOptions<T>;
  readonly sink: ReflectorSink<T>;
  readonly waits: {
    /** Longest wait between checks for a kind that is not served, in ms. Default 5 s. */
    readonly absentRetryMs?: number | undefined;
    /** Longest silence of a watch, in ms. Default 75 s. */
    readonly watchSilenceMs?: number | undefined;
    /** Longest time in ms for which lists older than known state are refused. Default 120 s. */
    readonly outdatedListMs?: number | undefined;
  };
}

const BASE_MS = 800;
const MAX_MS = 15_000;
const ABSENT_BASE_MS = 400;
const ABSENT_MAX_MS = 5_000;
const OUTDATED_LIST_MS = 120_000;

/** Error for a list that is older than known state. */
class OutdatedListError extends Error {
  override readonly name = 'OutdatedListError';
}

const failureOf = (error: unknown): ReadFailure => {
  const message = messageOf(error);
  if (isForbidden(error)) return { cause: 'forbidden', message };
  return { cause: error instanceof KubeApiError || error instanceof OutdatedListError ? 'failing' : 'unreachable', message };
};

/**
 * Keeps a sink in sync with one kind on the server. It lists in pages, and watches from the version
 * of the list. After a watch ends it watches again from the last version, and lists again if that
 * version has expired. A quiet watch cannot be told from a dead one, because the server promises no
 * bookmarks. So it lists after a watch without events, and also, at the interval of silent watches,
 * if watches break.
 */
export class Reflector<T extends KubeObject> {
  readonly #options: ReflectorOptions<T>;
  readonly #backoff: Backoff;
  readonly #absentBackoff: Backoff;
  readonly #logger: Logger;
  /** Version from which the next watch starts; undefined: list first. */
  #version: string | undefined;
  /** Newest version that a list, an event or a bookmark showed. */
  #newest: string | undefined;
  /** Time since which lists are older than {@link #newest}, monotonic ms. */
  #outdatedSinceMs: number | undefined;
  /**
   * End of the last watch. `live`: it had events and ended by itself. `silent`: it may have missed
   * the latest events. `broken`: it failed.
   */
  #ended: 'live' | 'silent' | 'broken' = 'silent';
  #listedAtMs = Number.NEGATIVE_INFINITY;
  #hasFailed: boolean = false;
  /** Aborts the current list and watch. */
  #round = new AbortController();
  #notFoundInRow = 0;

  constructor(options: ReflectorOptions<T>) {
    const { random, waits } = options;
    const { absentRetryMs = ABSENT_MAX_MS } = waits;
    this.#options = options;
    this.#logger = options.logger.child({ component: 'reflector', kind: options.kind.kind });
    this.#backoff = createBackoff({ baseMs: 2 * BASE_MS, minMs: BASE_MS, maxMs: MAX_MS, random });
    const baseMs = Math.min(ABSENT_BASE_MS, absentRetryMs);
    this.#absentBackoff = createBackoff({ baseMs, minMs: baseMs / 2, maxMs: absentRetryMs, random });
  }

  /** Ends the watch, or the wait after a failure, and lists again, regardless of known versions. */
  relist(): void {
    this.#version = undefined;
    this.#newest = undefined;
    this.#round.abort();
  }

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const round = new AbortController();
      this.#round = round;
      try {
        await this.#listAndWatch(AbortSignal.any([signal, round.signal]));
      } catch (error) {
        if (signal.aborted) return;
        if (round.signal.aborted) {
          this.#version = undefined;
          continue;
        }
        await this.#pause(this.#waitAfter(error), AbortSignal.any([signal, round.signal]));
      }
    }
  }

  async #listAndWatch(signal: AbortSignal): Promise<void> {
    const { client, kind, list, random, waits, clock } = this.#options;
    const resourceVersion = await this.#read(signal);
    const started = clock.monotonicMs();
    this.#ended = 'broken';
    let hasEvents: boolean = false;
    let isAbandoned: boolean = false;
    const onAbandoned = (): void => {
      isAbandoned = true;
    };
    const request = { kind, options: list, resourceVersion, random, silenceMs: waits.watchSilenceMs, onAbandoned };
    for await (const event of watch(client, request, signal)) {
      hasEvents = true;
      this.#take(event.type, event.object);
      this.#backoff.reset();
      this.#seen(false);
    }
    // A connection that became silent may have had events before. The next watch from there may be
    // silent too.
    this.#ended = hasEvents && !isAbandoned ? 'live' : 'silent';
    // Avoids a tight loop with a server that ends watches at once.
    if (clock.monotonicMs() - started < BASE_MS) await this.#pause(this.#backoff.next(), signal);
  }

  /**
   * Reads what is needed before a watch: everything, one object, or nothing.
   *
   * @returns the version from which to watch
   */
  async #read(signal: AbortSignal): Promise<string> {
    const { list, waits, clock } = this.#options;
    const { listEveryMs = 0 } = list;
    const { watchSilenceMs = WATCH_SILENCE_MS } = waits;
    const listAgeMs = clock.monotonicMs() - this.#listedAtMs;
    if (this.#version === undefined) return this.#listAll(signal);
    // A server that ends watches early, or refuses them, must not be asked for a full list each
    // time.
    if (this.#ended === 'live' || (this.#ended === 'broken' && listAgeMs < watchSilenceMs)) return this.#version;
    if (listAgeMs >= listEveryMs) return this.#listAll(signal);
    await this.#readOne(signal);
    return this.#version;
  }

  async #listAll(signal: AbortSignal): Promise<string> {
    const { client, kind, list, sink, clock } = this.#options;
    const { items, resourceVersion } = await listAll(client, { kind, options: list, transform: list.transform }, signal);
    this.#assertCurrent(resourceVersion);
    this.#version = resourceVersion;
    this.#newest = resourceVersion;
    this.#listedAtMs = clock.monotonicMs();
    sink.replace(items);
    this.#seen(true);
    return resourceVersion;
  }

  async #readOne(signal: AbortSignal): Promise<void> {
    const { client, kind, list } = this.#options;
    const query = { limit: '1', labelSelector: list.labelSelector, fieldSelector: list.fieldSelector };
    await client.raw({ method: 'GET', path: collectionPath(kind, list.namespace), query }, signal);
    this.#seen(false);
  }

  /**
   * Refuses a list that is older than known state, as it would restore deleted objects. If lists
   * stay old, the server was restored from a backup, and they are accepted.
   *
   * @throws OutdatedListError
   */
  #assertCurrent(resourceVersion: string): void {
    const { clock, waits } = this.#options;
    if (!isOlderVersion(resourceVersion, this.#newest)) {
      this.#outdatedSinceMs = undefined;
      return;
    }
    const now = clock.monotonicMs();
    this.#outdatedSinceMs ??= now;
    if (now - this.#outdatedSinceMs < (waits.outdatedListMs ?? OUTDATED_LIST_MS))
      throw new OutdatedListError(`the list is at version ${resourceVersion}, and ${this.#newest} was read before`);
    this.#outdatedSinceMs = undefined;
  }

  #take(type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK', object: T): void {
    const { sink, list } = this.#options;
    const { transform = (whole) => whole } = list;
    if (type === 'DELETED') sink.remove(object);
    else if (type !== 'BOOKMARK') sink.upsert(transform(object));
    this.#version = object.metadata.resourceVersion ?? this.#version;
    this.#newest = newerVersion(this.#version, this.#newest);
  }

  /** @param isWhole whether by a full list */
  #seen(isWhole: boolean): void {
    const { sink, clock } = this.#options;
    this.#absentBackoff.reset();
    this.#notFoundInRow = 0;
    sink.setServed(true);
    sink.setSeen(clock.monotonicMs(), isWhole);
    sink.setFailure(undefined);
    if (this.#hasFailed) this.#logger.info('kind can be read again');
    this.#hasFailed = false;
  }

  /** @param fields for the log, which gets only the first failure */
  #failed(error: unknown, message: string, fields: object = {}): void {
    this.#options.sink.setFailure(failureOf(error));
    if (!this.#hasFailed) this.#logger.warn({ err: error, ...fields }, message);
    this.#hasFailed = true;
  }

  /** Handles a failure by its kind. @returns the time to wait, in ms */
  #waitAfter(error: unknown): number {
    if (isNotFound(error)) return this.#absent(error);
    this.#notFoundInRow = 0;
    if (isGone(error)) return this.#startOver();
    const retryInMs = this.#backoff.next();
    this.#failed(error, 'reading failed, trying again', { retryInMs });
    return retryInMs;
  }

  #startOver(): number {
    const first = this.#version !== undefined;
    this.#version = undefined;
    this.#logger.debug('version expired, listing again');
    return first ? 0 : this.#backoff.next();
  }

  /**
   * Handles a kind that is not served. Objects are kept until a second such response in a row: a
   * starting server may not know its custom resources yet, and dropping the policies would admit
   * any pod.
   */
  #absent(error: unknown): number {
    const { sink, kind, clock } = this.#options;
    this.#version = undefined;
    this.#notFoundInRow += 1;
    if (this.#notFoundInRow === 2) sink.replace([]);
    this.#failed(error, 'kind is not served, checking again', { plural: kind.plural });
    sink.setServed(false);
    if (this.#notFoundInRow >= 2) {
      sink.setSeen(clock.monotonicMs(), true);
      sink.setFailure(undefined);
    }
    return this.#absentBackoff.next();
  }

  async #pause(ms: number, signal: AbortSignal): Promise<void> {
    if (ms === 0) return;
    try {
      await this.#options.clock.sleep(ms, signal);
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }
}
