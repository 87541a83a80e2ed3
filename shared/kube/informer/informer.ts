import { isDeepStrictEqual } from 'node:util';
import type { KubeObject } from '../../api/index.ts';
import { type Clock, type Logger, systemClock } from '../../runtime/index.ts';
import type { KubeClient } from '../client/client.ts';
import { keyOfObject } from '../paths.ts';
import type { ChangeHandler, Informer, InformerFactory, InformerOptions, KindDescriptor, ObjectKey, ReadFailure } from '../types.ts';
import { Reflector, type ReflectorSink } from './reflector.ts';

/** Settings of all informers of one factory. */
export interface InformersOptions {
  readonly logger: Logger;
  readonly clock?: Clock;
  /** 0 ≤ x < 1. Default Math.random. */
  readonly random?: () => number;
  /** Longest wait between checks for a kind that is not served, in ms. Default 5 s. */
  readonly absentRetryMs?: number;
  /** Longest silence of a watch, in ms. Then it ends and the kind is listed again. Default 75 s. */
  readonly watchSilenceMs?: number;
  /**
   * Longest time in ms for which lists older than known state are refused. After that they are
   * accepted. Default 120 s.
   */
  readonly outdatedListMs?: number;
}

/** Objects of one informer, and its handlers. */
export class InformerStore<T extends KubeObject> implements Informer<T>, ReflectorSink<T> {
  readonly #logger: Logger;
  readonly #objects = new Map<ObjectKey, T>();
  readonly #changeHandlers = new Set<ChangeHandler<T>>();
  readonly #servedHandlers = new Set<(served: boolean) => void>();
  readonly #ready = Promise.withResolvers<void>();
  /** Resolves at the next full list. */
  #nextList = Promise.withResolvers<void>();
  #relist: () => void = () => undefined;
  // Readers use these through Informer, which does not allow writes.
  synced: boolean = false;
  served: boolean = true;
  seenAtMs: number | undefined;
  failure: ReadFailure | undefined;
  /** Whether only a full list counts, because everything before {@link restart} may be too old. */
  #isDoubted: boolean = false;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  get(key: ObjectKey): T | undefined {
    return this.#objects.get(key);
  }

  list(): readonly T[] {
    return [...this.#objects.values()];
  }

  ready(signal: AbortSignal): Promise<void> {
    return unlessAborted(this.#ready.promise, signal);
  }

  relist(signal: AbortSignal): Promise<void> {
    this.#relist();
    return unlessAborted(this.#nextList.promise, signal);
  }

  /** @param relist lists again from scratch */
  onRelist(relist: () => void): void {
    this.#relist = relist;
  }

  /** Adds a handler. It is called at once for each object that is already there. */
  onChange(handler: ChangeHandler<T>): () => void {
    this.#changeHandlers.add(handler);
    for (const [key, object] of this.#objects) this.#call(() => handler(key, object, undefined));
    return () => this.#changeHandlers.delete(handler);
  }

  onServed(handler: (served: boolean) => void): () => void {
    this.#servedHandlers.add(handler);
    return () => this.#servedHandlers.delete(handler);
  }

  replace(objects: readonly T[]): void {
    const keys = new Set(objects.map(keyOfObject));
    for (const [key, previous] of [...this.#objects]) {
      if (!keys.has(key)) this.#drop(key, previous);
    }
    for (const object of objects) this.#upsert(object, !this.#isSame(object));
    this.synced = true;
    this.#ready.resolve();
    this.#nextList.resolve();
    this.#nextList = Promise.withResolvers<void>();
  }

  upsert(object: T): void {
    this.#upsert(object, false);
  }

  /**
   * Whether an object is known with the same content. A list can show a known version with other
   * content: by another schema, or because a program between server and client changed what was
   * read before.
   */
  #isSame(object: T): boolean {
    return isDeepStrictEqual(this.#objects.get(keyOfObject(object)), object);
  }

  /** @param isChanged whether to notify even if the version is known */
  #upsert(object: T, isChanged: boolean): void {
    const key = keyOfObject(object);
    const version = object.metadata.resourceVersion;
    const previous = this.#objects.get(key);
    const isKnown = previous !== undefined && version !== undefined && previous.metadata.resourceVersion === version;
    if (isKnown && !isChanged) return;
    this.#objects.set(key, object);
    this.#notify(key, object, previous);
  }

  remove(object: T): void {
    const key = keyOfObject(object);
    const previous = this.#objects.get(key);
    if (previous !== undefined) this.#drop(key, previous);
  }

  setServed(served: boolean): void {
    // A kind that is not served has no objects to wait for.
    if (!served) this.#ready.resolve();
    if (served === this.served) return;
    this.served = served;
    for (const handler of [...this.#servedHandlers]) this.#call(() => handler(served));
  }

  setSeen(atMs: number, isWhole: boolean): void {
    if (this.#isDoubted && !isWhole) return;
    this.#isDoubted = false;
    this.seenAtMs = atMs;
  }

  restart(): void {
    this.#isDoubted = true;
    this.seenAtMs = undefined;
    this.#relist();
  }

  setFailure(failure: ReadFailure | undefined): void {
    this.failure = failure;
    // A kind that this client may not read must not keep it from becoming ready.
    if (failure?.cause === 'forbidden') this.#ready.resolve();
  }

  #drop(key: ObjectKey, previous: T): void {
    this.#objects.delete(key);
    this.#notify(key, undefined, previous);
  }

  #notify(key: ObjectKey, current: T | undefined, previous: T | undefined): void {
    for (const handler of [...this.#changeHandlers]) this.#call(() => handler(key, current, previous));
  }

  #call(run: () => void): void {
    try {
      run();
    } catch (error) {
      this.#logger.error({ err: error }, 'informer handler failed');
    }
  }
}

const unlessAborted = async (promise: Promise<void>, signal: AbortSignal): Promise<void> => {
  signal.throwIfAborted();
  const aborted = Promise.withResolvers<never>();
  const onAbort = (): void => aborted.reject(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    await Promise.race([promise, aborted.promise]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
};

/**
 * Creates a factory of informers. Every informer starts when it is requested, and ends with the
 * signal.
 */
export const createInformers = (client: KubeClient, options: InformersOptions, signal: AbortSignal): InformerFactory => {
  const { logger, clock = systemClock, random = Math.random, absentRetryMs, watchSilenceMs, outdatedListMs } = options;
  return {
    informer: <T extends KubeObject>(kind: KindDescriptor<T>, informerOptions: InformerOptions<T> = {}): Informer<T> => {
      const store = new InformerStore<T>(logger.child({ component: 'informer', kind: kind.kind }));
      const waits = { absentRetryMs, watchSilenceMs, outdatedListMs };
      const reflector = new Reflector<T>({ client, kind, list: informerOptions, sink: store, clock, random, logger, waits });
      store.onRelist(() => reflector.relist());
      reflector.run(signal).catch((error: unknown) => logger.fatal({ err: error, kind: kind.kind }, 'reflector ended'));
      return store;
    },
  };
};
