import type { InvolvedObject } from '@fso/shared/kube';
import { type Clock, messageOf } from '@fso/shared/runtime';
import type { WriteFailure } from '../enforce/types.ts';
import type { Trace } from '../observe/tampering.ts';
import { NotKeptError } from './apply-action.ts';
import { type RetryPolicy, retryDelayMs } from './retry.ts';

/** An object that somebody changed or deleted, and that is as it should be again. */
export interface Repair {
  /** `Kind/name`, or `Kind/namespace/name` */
  readonly key: string;
  /** Whom it concerns. */
  readonly policies: readonly string[] | 'all';
  readonly trace: Trace;
  /** The object itself, where it can have Events of its own. */
  readonly object?: InvolvedObject;
}

/** `unchanged`: the target read so already. */
export type WriteOutcome = 'written' | 'unchanged';

/** One write that the present state asks for. A key names its target; two writes of one key never run at once. */
export interface Write {
  readonly key: string;
  readonly policies: readonly string[];
  /** Why, in CamelCase. */
  readonly reason: string;
  /** What it puts back, where somebody changed or deleted its target. */
  readonly repair?: Repair;
  /** Works of a lower number start first. */
  readonly priority: number;
  /**
   * Version of the target in the local cache. A target whose write succeeded is left alone until the cache shows another
   * version: until then every plan is made from what was there before the write.
   */
  liveVersion(): string | undefined;
  run(signal: AbortSignal): Promise<WriteOutcome>;
}

export interface WritePoolOptions {
  readonly concurrency: number;
  readonly clock: Clock;
  readonly retry: RetryPolicy;
  /** How long to wait for the cache to show a write. */
  readonly echoMs: number;
  readonly onDone: (write: Write, outcome: WriteOutcome) => void;
  readonly onFailure: (write: Write, failure: WriteFailure, error: unknown) => void;
  /** Asks for a new plan: a write is due again, or its echo never came. */
  readonly onWake: () => void;
}

interface KeyState {
  failures: number;
  error: string;
  notKept: boolean;
  policies: readonly string[];
  notBefore: number;
  /** Set after a success: the version that the cache had before it. */
  echo: { readonly before: string | undefined; readonly until: number } | undefined;
}

/**
 * Runs the writes of the newest plan, several at once. Each plan replaces what has not started of the one before;
 * a key that fails waits on its own, so that it never holds up the others.
 */
export class WritePool {
  readonly #options: WritePoolOptions;
  readonly #signal: AbortSignal;
  readonly #states = new Map<string, KeyState>();
  readonly #running = new Map<string, Write>();
  #waiting: Write[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(options: WritePoolOptions, signal: AbortSignal) {
    this.#options = options;
    this.#signal = signal;
    signal.addEventListener('abort', () => clearTimeout(this.#timer), { once: true });
  }

  /** Replaces the plan. @returns keys of writes that are not done: running, waiting, or backing off. */
  submit(writes: readonly Write[]): ReadonlySet<string> {
    const now = this.#options.clock.monotonicMs();
    const wanted = new Set(writes.map((write) => write.key));
    for (const key of this.#states.keys()) {
      if (!wanted.has(key) && !this.#running.has(key)) this.#states.delete(key);
    }
    this.#waiting = writes
      .filter((write) => !this.#running.has(write.key) && this.#isDue(write, now))
      .sort((a, b) => a.priority - b.priority);
    this.#pump();
    this.#arm();
    return wanted;
  }

  failures(): readonly WriteFailure[] {
    return [...this.#states]
      .filter(([, state]) => state.failures > 0)
      .map(([key, { policies, error, failures, notKept }]) => ({ key, policies, error, failures, ...(notKept && { notKept }) }));
  }

  get idle(): boolean {
    return this.#running.size === 0 && this.#waiting.length === 0;
  }

  #isDue(write: Write, now: number): boolean {
    const state = this.#states.get(write.key);
    if (state === undefined) return true;
    if (state.notBefore > now) return false;
    return state.echo === undefined || state.echo.until <= now || state.echo.before !== write.liveVersion();
  }

  #pump(): void {
    while (!this.#signal.aborted && this.#running.size < this.#options.concurrency) {
      const write = this.#waiting.shift();
      if (write === undefined) return;
      this.#running.set(write.key, write);
      void this.#run(write);
    }
  }

  async #run(write: Write): Promise<void> {
    const before = write.liveVersion();
    try {
      const outcome = await write.run(this.#signal);
      this.#running.delete(write.key);
      this.#succeeded(write, before, outcome);
    } catch (error) {
      this.#running.delete(write.key);
      if (!this.#signal.aborted) this.#failed(write, error);
    }
    this.#pump();
    if (this.#waiting.length === 0) this.#arm();
  }

  #succeeded(write: Write, before: string | undefined, outcome: WriteOutcome): void {
    const until = this.#options.clock.monotonicMs() + this.#options.echoMs;
    this.#states.set(write.key, {
      failures: 0,
      error: '',
      notKept: false,
      policies: write.policies,
      notBefore: 0,
      echo: { before, until },
    });
    this.#options.onDone(write, outcome);
  }

  #failed(write: Write, error: unknown): void {
    const failures = (this.#states.get(write.key)?.failures ?? 0) + 1;
    const message = messageOf(error);
    const notBefore = this.#options.clock.monotonicMs() + retryDelayMs(failures, this.#options.retry);
    const notKept = error instanceof NotKeptError;
    this.#states.set(write.key, { failures, error: message, notKept, policies: write.policies, notBefore, echo: undefined });
    this.#options.onFailure(write, { key: write.key, policies: write.policies, error: message, failures }, error);
  }

  /** Wakes the planner when the next waiting key is due. */
  #arm(): void {
    clearTimeout(this.#timer);
    if (this.#signal.aborted) return;
    const now = this.#options.clock.monotonicMs();
    const due = [...this.#states]
      .filter(([key]) => !this.#running.has(key))
      .map(([, state]) => Math.max(state.notBefore, state.echo?.until ?? 0))
      .filter((at) => at > now);
    if (due.length === 0) return;
    this.#timer = setTimeout(() => this.#options.onWake(), Math.min(...due) - now + 1);
    this.#timer.unref();
  }
}
