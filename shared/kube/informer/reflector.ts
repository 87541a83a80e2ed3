import type { KubeObject } from '../../api/index.ts';
import { type Backoff, type Clock, createBackoff, type Logger } from '../../runtime/index.ts';
import { listAll } from '../client/list.ts';
import { watch } from '../client/watch.ts';
import { isForbidden, isGone, isNotFound } from '../errors.ts';
import { collectionPath } from '../paths.ts';
import type { InformerOptions, KindDescriptor, KubeClient } from '../types.ts';

/** Receives the objects of a reflector. */
export interface ReflectorSink<T> {
  /** Replaces all objects. */
  replace(objects: readonly T[]): void;
  upsert(object: T): void;
  remove(object: T): void;
  /** Whether the API server serves the kind to this client at the moment. */
  setServed(served: boolean): void;
  /** Whether requests for the kind have failed for {@link SILENT_MS}, for any reason: the objects may be out of date. */
  setSilent(silent: boolean): void;
}

export interface ReflectorOptions<T extends KubeObject> {
  readonly client: KubeClient;
  readonly kind: KindDescriptor<T>;
  readonly list: InformerOptions<T>;
  readonly sink: ReflectorSink<T>;
  readonly clock: Clock;
  readonly random: () => number;
  readonly logger: Logger;
  readonly waits: {
    /** Longest wait between checks for a kind that is not served. Default 5 s. */
    readonly absentRetryMs?: number | undefined;
    /** Longest time that a watch may be silent. Default 90 s. */
    readonly watchSilenceMs?: number | undefined;
  };
}

const BASE_MS = 800;
const MAX_MS = 30_000;
const ABSENT_BASE_MS = 400;
const ABSENT_MAX_MS = 5_000;
/** Time without a successful request for a kind after which the sink learns that it is silent. */
export const SILENT_MS = 30_000;

/**
 * Keeps a sink equal to one kind on the server: it lists in pages, watches from the version of the list, watches again from the
 * last version after a watch ends or breaks, and lists again when that version is gone. A quiet watch looks like a dead one, and
 * the server promises no bookmarks: after a watch that brought nothing or broke, it reads one object before the next.
 */
export class Reflector<T extends KubeObject> {
  readonly #options: ReflectorOptions<T>;
  readonly #backoff: Backoff;
  readonly #absentBackoff: Backoff;
  readonly #logger: Logger;
  /** Version that the next watch starts from; undefined: list first. */
  #version: string | undefined;
  /** Whether the last watch brought something and ended by itself. */
  #isLive: boolean = false;
  /** When the pending request was sent, in ms of the monotonic clock; undefined: none is pending. */
  #sentMs: number | undefined;
  /** Aborts when the server answers; undefined: the last request succeeded. */
  #outage: AbortController | undefined;
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

  /** Ends the watch and lists again. */
  relist(): void {
    this.#version = undefined;
    this.#round.abort();
  }

  async run(signal: AbortSignal): Promise<void> {
    try {
      await this.#runUntil(signal);
    } finally {
      this.#outage?.abort();
    }
  }

  async #runUntil(signal: AbortSignal): Promise<void> {
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
        await this.#pause(this.#waitAfter(error), signal);
      }
    }
  }

  async #listAndWatch(signal: AbortSignal): Promise<void> {
    const { client, kind, list, random, waits, clock } = this.#options;
    const resourceVersion = await this.#read(signal);
    const started = clock.monotonicMs();
    this.#sentMs = started;
    this.#isLive = false;
    let hasEvents: boolean = false;
    const hooks = { silenceMs: waits.watchSilenceMs, onOpen: () => this.#answered() };
    for await (const event of watch(client, { kind, options: list, resourceVersion, random, ...hooks }, signal)) {
      hasEvents = true;
      this.#healthy();
      this.#take(event.type, event.object);
    }
    this.#isLive = hasEvents;
    // A server that ends watches at once must not be asked in a tight loop.
    if (clock.monotonicMs() - started < BASE_MS) await this.#pause(this.#backoff.next(), signal);
  }

  /** Reads before a watch: everything, one object, or nothing. @returns the version to watch from */
  async #read(signal: AbortSignal): Promise<string> {
    const { client, kind, list, sink, clock } = this.#options;
    this.#sentMs = clock.monotonicMs();
    if (this.#version === undefined) {
      const { items, resourceVersion } = await listAll(client, { kind, options: list, transform: list.transform }, signal);
      this.#version = resourceVersion;
      sink.replace(items);
      this.#healthy();
    } else if (!this.#isLive) {
      const query = { limit: '1', labelSelector: list.labelSelector, fieldSelector: list.fieldSelector };
      await client.raw({ method: 'GET', path: collectionPath(kind, list.namespace), query }, signal);
    }
    return this.#version;
  }

  #take(type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK', object: T): void {
    const { sink, list } = this.#options;
    const { transform = (whole) => whole } = list;
    if (type === 'DELETED') sink.remove(object);
    else if (type !== 'BOOKMARK') sink.upsert(transform(object));
    this.#version = object.metadata.resourceVersion ?? this.#version;
  }

  #healthy(): void {
    this.#backoff.reset();
    this.#absentBackoff.reset();
    this.#notFoundInRow = 0;
    this.#options.sink.setServed(true);
    this.#answered();
  }

  #answered(): void {
    this.#sentMs = undefined;
    if (this.#outage === undefined) return;
    this.#outage.abort();
    this.#outage = undefined;
    this.#logger.info('kind can be read again');
    this.#options.sink.setSilent(false);
  }

  /** @param fields for the log, which gets only the first failure */
  #failed(fields: object, message: string): void {
    if (this.#outage !== undefined) return;
    this.#logger.warn(fields, message);
    const { clock, sink } = this.#options;
    const outage = new AbortController();
    this.#outage = outage;
    const now = clock.monotonicMs();
    const reportSilence = (): void => {
      if (this.#outage === outage) sink.setSilent(true);
    };
    clock.sleep(SILENT_MS - (now - (this.#sentMs ?? now)), outage.signal).then(reportSilence, () => undefined);
  }

  /** Handles a failure by its kind. @returns milliseconds to wait. */
  #waitAfter(error: unknown): number {
    if (isGone(error)) return this.#startOver();
    if (isNotFound(error) || isForbidden(error)) return this.#absent(error);
    const retryInMs = this.#backoff.next();
    this.#failed({ err: error, retryInMs }, 'reading failed, trying again');
    return retryInMs;
  }

  #startOver(): number {
    const first = this.#version !== undefined;
    this.#version = undefined;
    this.#logger.debug('version expired, listing again');
    return first ? 0 : this.#backoff.next();
  }

  /**
   * The kind is not served, or may not be read. The objects stay until the server answers "not found" a second time: a server
   * that is starting may not know its custom resources yet, and dropping the policies would admit any pod. A client without
   * the right to read learns nothing about the objects, so they stay as they were.
   */
  #absent(error: unknown): number {
    const { sink, kind } = this.#options;
    this.#version = undefined;
    this.#notFoundInRow = isNotFound(error) ? this.#notFoundInRow + 1 : 0;
    if (this.#notFoundInRow === 2) sink.replace([]);
    this.#failed({ err: error, plural: kind.plural }, 'kind cannot be read, checking again');
    sink.setServed(false);
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
