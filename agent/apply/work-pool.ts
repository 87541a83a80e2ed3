import type { InvolvedObject } from '@fso/shared/kube';
import { type Clock, messageOf } from '@fso/shared/runtime';
import type { WorkFailure } from '../enforce/work-failure.ts';
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
export type WorkOutcome = 'written' | 'unchanged';

/** One write that the present state asks for. A key names its target; two works of one key never run at once. */
export interface Work {
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
  run(signal: AbortSignal): Promise<WorkOutcome>;
}

export interface WorkPoolOptions {
  readonly concurrency: number;
  readonly clock: Clock;
  readonly retry: RetryPolicy;
  /** How long to wait for the cache to show a write. */
  readonly echoMs: number;
  readonly onDone: (work: Work, outcome: WorkOutcome) => void;
  readonly onFailure: (work: Work, failure: WorkFailure, error: unknown) => void;
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
export class WorkPool {
  readonly #options: WorkPoolOptions;
  readonly #signal: AbortSignal;
  readonly #states = new Map<string, KeyState>();
  readonly #running = new Map<string, Work>();
  #waiting: Work[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(options: WorkPoolOptions, signal: AbortSignal) {
    this.#options = options;
    this.#signal = signal;
    signal.addEventListener('abort', () => clearTimeout(this.#timer), { once: true });
  }

  /** Replaces the plan. @returns keys of works that are not done: running, waiting, or backing off. */
  submit(works: readonly Work[]): ReadonlySet<string> {
    const now = this.#options.clock.monotonicMs();
    const wanted = new Set(works.map((work) => work.key));
    for (const key of this.#states.keys()) {
      if (!wanted.has(key) && !this.#running.has(key)) this.#states.delete(key);
    }
    this.#waiting = works.filter((work) => !this.#running.has(work.key) && this.#isDue(work, now)).sort((a, b) => a.priority - b.priority);
    this.#pump();
    this.#arm();
    return wanted;
  }

  failures(): readonly WorkFailure[] {
    return [...this.#states]
      .filter(([, state]) => state.failures > 0)
      .map(([key, { policies, error, failures, notKept }]) => ({ key, policies, error, failures, ...(notKept && { notKept }) }));
  }

  get idle(): boolean {
    return this.#running.size === 0 && this.#waiting.length === 0;
  }

  #isDue(work: Work, now: number): boolean {
    const state = this.#states.get(work.key);
    if (state === undefined) return true;
    if (state.notBefore > now) return false;
    return state.echo === undefined || state.echo.until <= now || state.echo.before !== work.liveVersion();
  }

  #pump(): void {
    while (!this.#signal.aborted && this.#running.size < this.#options.concurrency) {
      const work = this.#waiting.shift();
      if (work === undefined) return;
      this.#running.set(work.key, work);
      void this.#run(work);
    }
  }

  async #run(work: Work): Promise<void> {
    const before = work.liveVersion();
    try {
      const outcome = await work.run(this.#signal);
      this.#running.delete(work.key);
      this.#succeeded(work, before, outcome);
    } catch (error) {
      this.#running.delete(work.key);
      if (!this.#signal.aborted) this.#failed(work, error);
    }
    this.#pump();
    if (this.#waiting.length === 0) this.#arm();
  }

  #succeeded(work: Work, before: string | undefined, outcome: WorkOutcome): void {
    const until = this.#options.clock.monotonicMs() + this.#options.echoMs;
    this.#states.set(work.key, { failures: 0, error: '', notKept: false, policies: work.policies, notBefore: 0, echo: { before, until } });
    this.#options.onDone(work, outcome);
  }

  #failed(work: Work, error: unknown): void {
    const failures = (this.#states.get(work.key)?.failures ?? 0) + 1;
    const message = messageOf(error);
    const notBefore = this.#options.clock.monotonicMs() + retryDelayMs(failures, this.#options.retry);
    const notKept = error instanceof NotKeptError;
    this.#states.set(work.key, { failures, error: message, notKept, policies: work.policies, notBefore, echo: undefined });
    this.#options.onFailure(work, { key: work.key, policies: work.policies, error: message, failures }, error);
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
