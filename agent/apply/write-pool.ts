import type { InvolvedObject } from '@fso/shared/kube';
import { type Clock, messageOf } from '@fso/shared/runtime';
import type { WriteFailure } from '../enforce/index.ts';
import type { ForeignChange } from '../observe/index.ts';
import { NotKeptError } from './apply-action.ts';
import { Echo } from './echo.ts';

/** Object that another writer changed or deleted, and that a write restores. */
export interface Repair {
  /** `Kind/name`, or `Kind/namespace/name`. */
  readonly key: string;
  /** Keys of the concerned policies. */
  readonly policies: readonly string[] | 'all';
  readonly trace: ForeignChange;
  /** The object itself, if it can have Events of its own. */
  readonly object?: InvolvedObject;
}

/** Outcome of one write. `unchanged`: the target was already as desired. */
export type WriteOutcome = 'written' | 'unchanged';

/**
 * Write that a plan asks for. The key names its target; two writes of one key never run at the same
 * time.
 */
export interface Write {
  readonly key: string;
  readonly policies: readonly string[];
  /** Reason, in CamelCase. */
  readonly reason: string;
  /** Repair that this write is, if another writer changed or deleted its target. */
  readonly repair?: Repair;
  /** Writes with a lower number start first. */
  readonly priority: number;
  /** Overrides of the pool's waits between attempts. */
  readonly retry?: Partial<Omit<RetryPolicy, 'random'>>;
  /** Time to wait for the cache to show the write, in ms. Default: that of the pool. */
  readonly echoMs?: number;
  /**
   * Content that is written. A write with other content than the last one waits no longer than the
   * pool's time. Absent: the content counts as unchanged.
   */
  readonly content?: unknown;
  /**
   * Version of the target in the local cache. After a successful write the pool does not touch the
   * target until the cache shows another version, because until then plans are based on the state
   * before the write.
   */
  liveVersion(): string | undefined;
  run(signal: AbortSignal): Promise<WriteOutcome>;
}

/** Bounds of a {@link WritePool}: writes at a time, retries, waits for the cache. */
export interface WritePoolOptions {
  readonly concurrency: number;
  readonly clock: Clock;
  readonly retry: RetryPolicy;
  /**
   * Time to wait for the cache to show a write, in ms. It doubles, up to 30 s, each time that a
   * target is written again before the cache has shown it.
   */
  readonly echoMs: number;
  readonly onDone: (write: Write, outcome: WriteOutcome) => void;
  readonly onFailure: (write: Write, failure: WriteFailure, error: unknown) => void;
}

/** Write with its planner. */
interface Planned {
  readonly write: Write;
  readonly planner: Planner;
}

/** Waits between the attempts of a failing write. */
export interface RetryPolicy {
  /** Waits after the first and the second failure. From the third failure on the wait grows. */
  readonly firstMs: number;
  readonly secondMs: number;
  /** Longest wait. */
  readonly capMs: number;
  /** 0 ≤ x < 1. */
  readonly random: () => number;
}

/** Delay of {@link WritePool.retryKind}: an API server takes up a changed CRD within a second. */
const RETRY_SOON_MS = 1_000;

/**
 * Priorities of writes; a lower number starts first. Objects that put a changed policy in force
 * come before policies. Writes that only report come last.
 */
export const PRIORITIES = { locks: 0, policies: 1, status: 2, reports: 3 } as const;

/** Sources of writes: reconciles, and the reports for other tools, which are planned separately. */
export type Planner = 'rounds' | 'reports';

interface KeyState {
  readonly planner: Planner;
  failures: number;
  error: string;
  notKept: boolean;
  policies: readonly string[];
  notBefore: number;
  /** Set after a success until the cache shows the write. */
  echo: Echo | undefined;
}

/** Whether the cache does not show the last write yet. */
const isUnshown = ({ echo }: KeyState, now: number): boolean => echo?.isAwaited(now) === true;

/**
 * Number of reports written at once. They are a convenience and must not delay enforcing writes at
 * the API server.
 */
const REPORT_CONCURRENCY = 1;
/**
 * Share of concurrent writes that locks leave to others, so that a commit is written even if the
 * API server does not respond to writes of one kind.
 */
const SHARE_OF_OTHERS = 1 / 4;

/**
 * Runs the writes of the newest plans concurrently. Each plan replaces the unstarted writes of the
 * same planner's previous plan. A failing key waits on its own, so that it never delays others.
 */
export class WritePool {
  readonly #options: WritePoolOptions;
  readonly #signal: AbortSignal;
  readonly #states = new Map<string, KeyState>();
  readonly #running = new Map<string, Planned>();
  #waiting: Planned[] = [];
  readonly #timers = new Map<Planner, NodeJS.Timeout>();
  readonly #dueHandlers = new Map<Planner, () => void>();

  constructor(options: WritePoolOptions, signal: AbortSignal) {
    this.#options = options;
    this.#signal = signal;
    const stop = (): void => {
      for (const timer of this.#timers.values()) clearTimeout(timer);
    };
    signal.addEventListener('abort', stop, { once: true });
  }

  /**
   * Registers the handler that asks a planner for a new plan: a write is due again, or the cache
   * did not show it in time.
   */
  onDue(planner: Planner, handler: () => void): void {
    this.#dueHandlers.set(planner, handler);
  }

  /**
   * Replaces the writes of a planner that have not started. No two planners write the same target.
   */
  submit(writes: readonly Write[], planner: Planner = 'rounds'): void {
    const now = this.#options.clock.monotonicMs();
    const wanted = new Set(writes.map((write) => write.key));
    for (const [key, state] of this.#states) {
      if (state.echo?.isShown === true) state.echo = undefined;
      if (state.planner !== planner || wanted.has(key) || this.#running.has(key) || isUnshown(state, now)) continue;
      this.#states.delete(key);
      // The reconcile that submits these writes has already published the failure. Without another
      // reconcile it would stay published until something else changes.
      if (state.failures > 0) this.#dueHandlers.get(planner)?.();
    }
    const due = writes.filter((write) => !this.#running.has(write.key) && this.#isDue(write, now));
    this.#waiting = [...this.#waiting.filter((other) => other.planner !== planner), ...due.map((write) => ({ write, planner }))];
    this.#waiting.sort((a, b) => a.write.priority - b.write.priority);
    this.#pump();
    this.#arm(planner);
  }

  /** Number of writes of the newest reconcile that have not started. */
  get waiting(): number {
    return this.#waiting.filter(({ planner }) => planner === 'rounds').length;
  }

  /** Writes of reconciles whose last attempt failed. */
  failures(): readonly WriteFailure[] {
    return [...this.#states]
      .filter(([, state]) => state.failures > 0 && state.planner === 'rounds')
      .map(([key, { policies, error, failures, notKept }]) => ({ key, policies, error, failures, ...(notKept && { notKept }) }));
  }

  /**
   * Whether no write of a kind is running and the cache shows all that were. Otherwise a plan is
   * based on an outdated state.
   */
  isSettled(kind: string): boolean {
    const now = this.#options.clock.monotonicMs();
    const isOfKind = (key: string): boolean => key.startsWith(`${kind}/`);
    return ![...this.#running.keys()].some(isOfKind) && ![...this.#states].some(([key, state]) => isOfKind(key) && isUnshown(state, now));
  }

  /** Retries the failed writes of a kind soon, as the cause may be gone. */
  retryKind(kind: string): void {
    const soon = this.#options.clock.monotonicMs() + RETRY_SOON_MS;
    for (const [key, state] of this.#states) if (key.startsWith(`${kind}/`)) state.notBefore = Math.min(state.notBefore, soon);
    this.#arm('rounds');
  }

  #isDue(write: Write, now: number): boolean {
    const state = this.#states.get(write.key);
    if (state === undefined) return true;
    state.echo?.follow(write);
    return state.notBefore <= now && !isUnshown(state, now);
  }

  #pump(): void {
    while (!this.#signal.aborted && this.#running.size < this.#options.concurrency) {
      const index = this.#waiting.findIndex(this.#starter());
      const [next] = index < 0 ? [] : this.#waiting.splice(index, 1);
      if (next === undefined) return;
      this.#running.set(next.write.key, next);
      void this.#run(next);
    }
  }

  /** Builds a check of whether a write may start beside those that run now. */
  #starter(): (next: Planned) => boolean {
    const { concurrency } = this.#options;
    const running = [...this.#running.values()];
    const reports = running.filter(({ planner }) => planner === 'reports').length;
    const locks = running.filter(({ write }) => write.priority === PRIORITIES.locks).length;
    const mayReport = reports < REPORT_CONCURRENCY;
    const mayLock = locks < concurrency - Math.floor(concurrency * SHARE_OF_OTHERS);
    return ({ planner, write }) => (planner === 'reports' ? mayReport : write.priority !== PRIORITIES.locks || mayLock);
  }

  async #run({ write, planner }: Planned): Promise<void> {
    const before = write.liveVersion();
    try {
      const outcome = await write.run(this.#signal);
      this.#running.delete(write.key);
      this.#succeeded({ write, planner }, before, outcome);
    } catch (error) {
      this.#running.delete(write.key);
      if (!this.#signal.aborted) this.#failed({ write, planner }, error);
    }
    this.#pump();
    if (!this.#waiting.some((other) => other.planner === planner)) this.#arm(planner);
  }

  #succeeded({ write, planner }: Planned, before: string | undefined, outcome: WriteOutcome): void {
    const { clock, echoMs, onDone } = this.#options;
    const last = this.#states.get(write.key)?.echo;
    this.#states.set(write.key, {
      planner,
      failures: 0,
      error: '',
      notKept: false,
      policies: write.policies,
      notBefore: 0,
      echo: new Echo(write, { before, echoMs, now: clock.monotonicMs(), last }),
    });
    onDone(write, outcome);
  }

  #failed({ write, planner }: Planned, error: unknown): void {
    const failures = (this.#states.get(write.key)?.failures ?? 0) + 1;
    const message = messageOf(error);
    const { retry, clock } = this.#options;
    const notBefore = clock.monotonicMs() + retryDelayMs(failures, { ...retry, ...write.retry });
    const notKept = error instanceof NotKeptError;
    const { key, policies } = write;
    this.#states.set(key, { planner, failures, error: message, notKept, policies, notBefore, echo: undefined });
    this.#options.onFailure(write, { key: write.key, policies: write.policies, error: message, failures }, error);
  }

  /** Wakes a planner when the next of its waiting keys is due. */
  #arm(planner: Planner): void {
    clearTimeout(this.#timers.get(planner));
    if (this.#signal.aborted) return;
    const now = this.#options.clock.monotonicMs();
    const due = [...this.#states]
      .filter(([key, state]) => state.planner === planner && !this.#running.has(key))
      .map(([, state]) => Math.max(state.notBefore, state.echo?.until ?? 0))
      .filter((at) => at > now);
    if (due.length === 0) return;
    const timer = setTimeout(() => this.#dueHandlers.get(planner)?.(), Math.min(...due) - now + 1);
    timer.unref();
    this.#timers.set(planner, timer);
  }
}

/**
 * Returns 5 s, then 30 s, both limited by the cap, then exponential waits with full jitter in the
 * upper half. So agents that failed together neither retry together nor at once.
 */
export const retryDelayMs = (failures: number, policy: RetryPolicy): number => {
  if (failures <= 2) return Math.min(policy.capMs, failures === 2 ? policy.secondMs : policy.firstMs);
  const ceiling = Math.min(policy.capMs, policy.secondMs * 2 ** (failures - 2));
  return ceiling / 2 + policy.random() * (ceiling / 2);
};
