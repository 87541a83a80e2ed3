import type { Clock } from '@fso/shared/runtime';
import type { RetryBudget } from './retry-budget.ts';

/** Number of retries after a change that cost no budget. Their waits double. */
const FREE_RETRIES = 7;
/** Most sleeping retries that are woken when one succeeds: the same cause may have delayed them. */
const MAX_WOKEN = 16;

/** Result of a probe. `over`: the namespace needs no more probes. */
export type RetryResult = 'proven' | 'over' | 'again';

interface ProbeRetriesOptions {
  readonly clock: Clock;
  /** Shared by all retries of this cluster. */
  readonly budget: RetryBudget;
  readonly firstWaitMs: number;
  /**
   * Probes a namespace.
   *
   * @param elapsedMs time since the retries started or restarted
   */
  probe(namespace: string, elapsedMs: () => number): Promise<RetryResult>;
  /** Number of requests of one probe. */
  cost(namespace: string): number;
  /** Longest wait between two probes, in ms. */
  longestWaitMs(): number;
  /** Called when a probe throws; the retries continue. */
  onError(namespace: string, error: unknown): void;
}

/** Retries of one namespace. */
interface Retries {
  /** Probes without a proof since the retries started. */
  attempt: number;
  began: number;
  /** Whether the target changed after the last probe started, so that its result does not count. */
  isStale: boolean;
  /** Ends the current sleep, if any. */
  sleep: AbortController | undefined;
  /** Ends the current wait for the budget, if any. */
  queue: AbortController | undefined;
}

/** Whether each probe now costs budget. */
const isPaid = ({ attempt }: Retries): boolean => attempt > FREE_RETRIES;

/**
 * Probes namespaces until they are proven: at once, then after short waits that double, then ever
 * less often and within a shared budget.
 */
export class ProbeRetries {
  readonly #options: ProbeRetriesOptions;
  readonly #signal: AbortSignal;
  readonly #retries = new Map<string, Retries>();

  constructor(options: ProbeRetriesOptions, signal: AbortSignal) {
    this.#options = options;
    this.#signal = signal;
  }

  has(namespace: string): boolean {
    return this.#retries.has(namespace);
  }

  /** Starts retries after a change in this namespace. The first probes are free. */
  start(namespace: string): void {
    const retries = this.#restart(namespace, 0);
    retries?.sleep?.abort();
    retries?.queue?.abort();
  }

  /**
   * Starts retries for a namespace that lost its proof without a change, perhaps together with
   * others. The first probe waits for the budget.
   */
  resume(namespace: string): void {
    const retries = this.#restart(namespace, FREE_RETRIES + 1);
    retries?.sleep?.abort();
  }

  /** @returns the running retries, which continue; undefined if new ones were started */
  #restart(namespace: string, attempt: number): Retries | undefined {
    const known = this.#retries.get(namespace);
    const retries = known ?? { attempt: 0, began: 0, isStale: true, sleep: undefined, queue: undefined };
    retries.attempt = attempt;
    retries.began = this.#options.clock.monotonicMs();
    retries.isStale = true;
    if (known !== undefined) return known;
    this.#retries.set(namespace, retries);
    void this.#run(namespace, retries);
    return undefined;
  }

  /**
   * Runs the retries. Never rejects. No other code runs between the last result and the end, so
   * that no change is lost.
   */
  async #run(namespace: string, retries: Retries): Promise<void> {
    try {
      do await this.#wait(namespace, retries);
      while (!this.#settles(namespace, retries, await this.#probe(namespace, retries)));
    } catch {
      // A wait rejects only if the agent stops.
      this.#retries.delete(namespace);
    }
  }

  async #probe(namespace: string, retries: Retries): Promise<RetryResult> {
    const { clock, probe, onError } = this.#options;
    retries.isStale = false;
    try {
      return await probe(namespace, () => clock.monotonicMs() - retries.began);
    } catch (error) {
      this.#signal.throwIfAborted();
      onError(namespace, error);
      return 'again';
    }
  }

  /** @returns whether the retries have ended */
  #settles(namespace: string, retries: Retries, result: RetryResult): boolean {
    this.#signal.throwIfAborted();
    if (retries.isStale) return false;
    if (result === 'again') {
      retries.attempt += 1;
      return false;
    }
    this.#retries.delete(namespace);
    if (result === 'proven' && isPaid(retries)) {
      this.#options.budget.reward(this.#options.cost(namespace));
      this.#wakeOthers();
    }
    return true;
  }

  async #wait(namespace: string, retries: Retries): Promise<void> {
    const { clock, budget, cost, firstWaitMs, longestWaitMs } = this.#options;
    if (!retries.isStale) {
      const waitMs = Math.min(firstWaitMs * 2 ** Math.min(retries.attempt - 1, 20), longestWaitMs());
      retries.sleep = new AbortController();
      await this.#until(retries.sleep, (signal) => clock.sleep(waitMs, signal));
      retries.sleep = undefined;
    }
    if (!isPaid(retries)) return;
    retries.queue = new AbortController();
    await this.#until(retries.queue, (signal) => budget.take(retries.attempt, cost(namespace), signal));
    retries.queue = undefined;
  }

  /** Resolves when the wait is over or was cut short. Rejects when the agent stops. */
  async #until(cut: AbortController, wait: (signal: AbortSignal) => Promise<void>): Promise<void> {
    try {
      await wait(AbortSignal.any([this.#signal, cut.signal]));
    } catch (error) {
      if (this.#signal.aborted || !cut.signal.aborted) throw error;
    }
  }

  #wakeOthers(): void {
    const asleep = [...this.#retries.values()].filter((retries) => retries.sleep !== undefined && isPaid(retries));
    for (const { sleep } of asleep.slice(0, MAX_WOKEN)) sleep?.abort();
  }
}
