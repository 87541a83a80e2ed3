import { Worker } from 'node:worker_threads';
import { type Clock, isWorkerOutOfMemory, WAIT_OVERTAKEN } from '@fso/shared/runtime';
import { TurnLimiter } from '../pacing/turn-limiter.ts';
import type { PackedFrame } from './packed-frame.ts';

/** Bounds of the threads that decode large frames. */
export interface DecoderLimits {
  /** Most threads at a time. */
  readonly threads: number;
  /** Heap of a thread, in MiB. */
  readonly heapMiB: number;
  /** CPU time that one frame may take there, in milliseconds. */
  readonly cpuMs: number;
}

/** Error of a frame that takes more memory or CPU time than it may. Its thread has ended. */
export class FrameTooExpensiveError extends Error {
  override readonly name = 'FrameTooExpensiveError';
}

/** Time between two readings of the CPU time of a frame, in milliseconds. */
const CHECK_MS = 500;
/** Time after which idle threads are ended, in milliseconds, as each takes some 30 MiB. */
const IDLE_MS = 60_000;
/** Size of a heap's young generation in MiB, which is not part of `heapMiB`. */
export const YOUNG_MIB = 16;

/** A thread that decodes one frame at a time. */
class DecoderThread {
  readonly #worker: Worker;
  readonly #limits: DecoderLimits;
  readonly #clock: Clock;
  #frame: PromiseWithResolvers<PackedFrame> | undefined;

  /** @param onExit called once the thread has ended, for whatever reason */
  constructor(limits: DecoderLimits, clock: Clock, onExit: (thread: DecoderThread) => void) {
    this.#limits = limits;
    this.#clock = clock;
    this.#worker = new Worker(new URL('./decoder-thread.ts', import.meta.url), {
      execArgv: [],
      resourceLimits: { maxOldGenerationSizeMb: limits.heapMiB, maxYoungGenerationSizeMb: YOUNG_MIB },
    });
    this.#worker.unref();
    this.#worker.on('message', (packed: PackedFrame) => this.#frame?.resolve(packed));
    this.#worker.on('error', (error) =>
      this.#frame?.reject(isWorkerOutOfMemory(error) ? new FrameTooExpensiveError('it takes more memory than a frame may') : error),
    );
    this.#worker.on('exit', () => {
      onExit(this);
      this.#frame?.reject(new Error('the thread has ended'));
    });
  }

  /** @throws FrameTooExpensiveError, and whatever else ends the thread */
  async decode(data: Uint8Array<ArrayBuffer>): Promise<PackedFrame> {
    const frame = Promise.withResolvers<PackedFrame>();
    this.#frame = frame;
    const done = new AbortController();
    this.#watch(done.signal).catch(() => undefined);
    this.#worker.postMessage(data, [data.buffer]);
    try {
      return await frame.promise;
    } finally {
      done.abort(WAIT_OVERTAKEN);
    }
  }

  async end(): Promise<void> {
    await this.#worker.terminate();
  }

  async #watch(signal: AbortSignal): Promise<void> {
    const before = await this.#cpuMs();
    for (;;) {
      await this.#clock.sleep(CHECK_MS, signal);
      if ((await this.#cpuMs()) - before <= this.#limits.cpuMs) continue;
      this.#frame?.reject(new FrameTooExpensiveError('it takes more CPU time than a frame may'));
      return;
    }
  }

  /** CPU time of the thread so far, in milliseconds; 0 for a thread that has just been made. */
  async #cpuMs(): Promise<number> {
    const { user, system } = await this.#worker.cpuUsage().catch(() => ({ user: 0, system: 0 }));
    return (user + system) / 1000;
  }
}

/**
 * Threads that decode frames, created when they are needed. A frame that takes too much ends its
 * thread and not the hub.
 */
export class DecoderPool {
  readonly #limits: DecoderLimits;
  readonly #clock: Clock;
  readonly #turns: TurnLimiter;
  readonly #threads = new Set<DecoderThread>();
  /** Idle threads; the most recently used one is last. */
  #idle: DecoderThread[] = [];
  #idleTimer = new AbortController();
  #isClosed: boolean = false;

  constructor(limits: DecoderLimits, clock: Clock) {
    this.#limits = limits;
    this.#clock = clock;
    this.#turns = new TurnLimiter(limits.threads, clock);
  }

  /** Number of threads that are running. */
  get size(): number {
    return this.#threads.size;
  }

  /**
   * Decodes the frame of an agent, in its turn.
   *
   * @param data its buffer is transferred to the thread
   * @throws FrameTooExpensiveError; the signal's reason when it aborts before the frame's turn;
   * whatever else ends a thread
   */
  async decode(data: Uint8Array<ArrayBuffer>, signal: AbortSignal): Promise<PackedFrame> {
    const leave = await this.#turns.enter(signal);
    try {
      return await this.#decodeOn(this.#idle.pop() ?? this.#start(), data);
    } finally {
      leave();
      this.#restartIdleTimer();
    }
  }

  async #decodeOn(thread: DecoderThread, data: Uint8Array<ArrayBuffer>): Promise<PackedFrame> {
    try {
      const packed = await thread.decode(data);
      if (this.#threads.has(thread)) this.#idle.push(thread);
      return packed;
    } catch (error) {
      await this.#end(thread);
      throw error;
    }
  }

  /** Ends all threads; frames that are being decoded fail. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#idleTimer.abort(WAIT_OVERTAKEN);
    await Promise.all([...this.#threads].map((thread) => this.#end(thread)));
  }

  #start(): DecoderThread {
    if (this.#isClosed) throw new Error('the hub stops');
    const thread = new DecoderThread(this.#limits, this.#clock, (ended) => this.#forget(ended));
    this.#threads.add(thread);
    return thread;
  }

  async #end(thread: DecoderThread): Promise<void> {
    this.#forget(thread);
    await thread.end();
  }

  #forget(thread: DecoderThread): void {
    this.#threads.delete(thread);
    this.#idle = this.#idle.filter((idle) => idle !== thread);
  }

  #restartIdleTimer(): void {
    this.#idleTimer.abort(WAIT_OVERTAKEN);
    if (this.#isClosed) return;
    this.#idleTimer = new AbortController();
    this.#clock.sleep(IDLE_MS, this.#idleTimer.signal).then(
      () => {
        for (const thread of this.#idle) void this.#end(thread);
      },
      () => undefined,
    );
  }
}
