import type { InvolvedObject } from '@fso/shared/kube';
import { type Clock, messageOf } from '@fso/shared/runtime';
import type { WriteFailure } from '../enforce/index.ts';
import type { Trace } from '../observe/index.ts';
import { NotKeptError } from './apply-action.ts';

/** An object that someone else changed or deleted, and that a write restores. */
export interface Repair {
  /** `Kind/name`, or `Kind/namespace/name` */
  readonly key: string;
  /** Keys of the policies that it concerns. */
  readonly policies: readonly string[] | 'all';
  readonly trace: Trace;
  /** The object itself, where it can have Events of its own. */
  readonly object?: InvolvedObject;
}

/** `unchanged`: the target was right already. */
export type WriteOutcome = 'written' | 'unchanged';

/** One write that a plan asks for. The key names its target; two writes of one key never run at once. */
export interface Write {
  readonly key: string;
  readonly policies: readonly string[];
  /** Why, in CamelCase. */
  readonly reason: string;
  /** The repair that the write is, if someone else changed or deleted its target. */
  readonly repair?: Repair;
  /** Works of a lower number start first. */
  readonly priority: number;
  /** Waits between two attempts that are not those of the pool. */
  readonly retry?: Partial<Omit<RetryPolicy, 'random'>>;
  /**
   * Version of the target in the local cache. After a successful write the pool leaves a target alone until the cache shows
   * another version: until then every plan rests on the state before the write.
   */
  liveVersion(): string | undefined;
  run(signal: AbortSignal): Promise<WriteOutcome>;
}

export interface WritePoolOptions {
  readonly concurrency: number;
  readonly clock: Clock;
  readonly retry: RetryPolicy;
  /** How long to wait for the cache to show a write, in ms. */
  readonly echoMs: number;
  readonly onDone: (write: Write, outcome: WriteOutcome) => void;
  readonly onFailure: (write: Write, failure: WriteFailure, error: unknown) => void;
  /** Asks for a new plan: a write is due again, or its echo never came. */
  readonly onWake: () => void;
}

/** How long a failing write waits. */
export interface RetryPolicy {
  /** Waits after the first and the second failure; from the third on the wait grows. */
  readonly firstMs: number;
  readonly secondMs: number;
  /** Longest wait of all. */
  readonly capMs: number;
  /** 0 ≤ x < 1. */
  readonly random: () => number;
}

/** An API server takes up a changed CRD within a second. */
const RETRY_SOON_MS = 1_000;

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

  /** Replaces the writes that have not started. */
  submit(writes: readonly Write[]): void {
    const now = this.#options.clock.monotonicMs();
    const wanted = new Set(writes.map((write) => write.key));
    for (const [key, { failures }] of this.#states) {
      if (wanted.has(key) || this.#running.has(key)) continue;
      this.#states.delete(key);
      // The round that submits these has published the failure: without another one it would stand until something else changes.
      if (failures > 0) this.#options.onWake();
    }
    this.#waiting = writes
      .filter((write) => !this.#running.has(write.key) && this.#isDue(write, now))
      .sort((a, b) => a.priority - b.priority);
    this.#pump();
    this.#arm();
  }

  /** How many writes of the newest plan have not started. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** Writes whose last attempt failed. */
  failures(): readonly WriteFailure[] {
    return [...this.#states]
      .filter(([, state]) => state.failures > 0)
      .map(([key, { policies, error, failures, notKept }]) => ({ key, policies, error, failures, ...(notKept && { notKept }) }));
  }

  /** Tries the writes of a kind that failed soon again: what they failed by may be over. */
  retryKind(kind: string): void {
    const soon = this.#options.clock.monotonicMs() + RETRY_SOON_MS;
    for (const [key, state] of this.#states) if (key.startsWith(`${kind}/`)) state.notBefore = Math.min(state.notBefore, soon);
    this.#arm();
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
    const { retry, clock } = this.#options;
    const notBefore = clock.monotonicMs() + retryDelayMs(failures, { ...retry, ...write.retry });
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

/**
 * 5 s, then 30 s, both at most the cap, then exponential with full jitter in its upper half, so that many agents that failed together do not come
 * back together, and none comes back at once.
 */
export const retryDelayMs = (failures: number, policy: RetryPolicy): number => {
  if (failures <= 2) return Math.min(policy.capMs, failures === 2 ? policy.secondMs : policy.firstMs);
  const ceiling = Math.min(policy.capMs, policy.secondMs * 2 ** (failures - 2));
  return ceiling / 2 + policy.random() * (ceiling / 2);
};
