import type { Clock } from '@fso/shared/runtime';
import type { RetryBudget } from './retry-budget.ts';

/** First retries, whose waits double: what a change needs to take effect, and there are no more of them than changes. */
const FREE_RETRIES = 7;
/** What held up one may have held up others: so many of those that sleep look at once when one is proven at last. */
const WOKEN = 16;

/** over: there is nothing more to look for. */
export type LookResult = 'proven' | 'over' | 'again';

interface ChaseOptions {
  readonly clock: Clock;
  /** Shared by all that asks again in this cluster. */
  readonly budget: RetryBudget;
  readonly firstWaitMs: number;
  /** @param elapsedMs since the chase began, or began anew */
  look(namespace: string, elapsedMs: () => number): Promise<LookResult>;
  /** How many requests a look takes. */
  cost(namespace: string): number;
  /** Longest wait between two looks. */
  longestWaitMs(): number;
  /** A look threw. The chase goes on. */
  failed(namespace: string, error: unknown): void;
}

interface Chase {
  /** Looks since the chase began that were in vain. */
  attempt: number;
  began: number;
  /** What is looked for changed since the last look began, which settles nothing then. */
  isStale: boolean;
  /** While it sleeps: ends that. */
  sleep: AbortController | undefined;
  /** While it waits for the budget: ends that. */
  queue: AbortController | undefined;
}

/** Each of its looks is paid for. */
const isPatient = ({ attempt }: Chase): boolean => attempt > FREE_RETRIES;

/**
 * Looks at namespaces until all is as it should be: at once, again in short steps, and then ever more seldom, out of the
 * budget that all share.
 */
export class Chases {
  readonly #options: ChaseOptions;
  readonly #signal: AbortSignal;
  readonly #chases = new Map<string, Chase>();

  constructor(options: ChaseOptions, signal: AbortSignal) {
    this.#options = options;
    this.#signal = signal;
  }

  has(namespace: string): boolean {
    return this.#chases.has(namespace);
  }

  /** Something changed in this namespace: the first looks are free. */
  start(namespace: string): void {
    const chase = this.#renew(namespace, 0);
    chase?.sleep?.abort();
    chase?.queue?.abort();
  }

  /** Nothing changed here, only something is not as it was, maybe everywhere: the first look waits its turn like any retry. */
  resume(namespace: string): void {
    const chase = this.#renew(namespace, FREE_RETRIES + 1);
    chase?.sleep?.abort();
  }

  /** @returns the chase that goes on; undefined: a new one began */
  #renew(namespace: string, attempt: number): Chase | undefined {
    const known = this.#chases.get(namespace);
    const chase = known ?? { attempt: 0, began: 0, isStale: true, sleep: undefined, queue: undefined };
    chase.attempt = attempt;
    chase.began = this.#options.clock.monotonicMs();
    chase.isStale = true;
    if (known !== undefined) return known;
    this.#chases.set(namespace, chase);
    void this.#follow(namespace, chase);
    return undefined;
  }

  /** Never rejects. Between the last word on a look and the end of the chase nothing else runs: no change is lost. */
  async #follow(namespace: string, chase: Chase): Promise<void> {
    try {
      do await this.#wait(namespace, chase);
      while (!this.#settles(namespace, chase, await this.#look(namespace, chase)));
    } catch {
      // The agent stops: nothing else ends a wait so.
      this.#chases.delete(namespace);
    }
  }

  async #look(namespace: string, chase: Chase): Promise<LookResult> {
    const { clock, look, failed } = this.#options;
    chase.isStale = false;
    try {
      return await look(namespace, () => clock.monotonicMs() - chase.began);
    } catch (error) {
      this.#signal.throwIfAborted();
      failed(namespace, error);
      return 'again';
    }
  }

  /** @returns whether the chase has ended */
  #settles(namespace: string, chase: Chase, result: LookResult): boolean {
    this.#signal.throwIfAborted();
    if (chase.isStale) return false;
    if (result === 'again') {
      chase.attempt += 1;
      return false;
    }
    this.#chases.delete(namespace);
    if (result === 'proven' && isPatient(chase)) {
      this.#options.budget.reward(this.#options.cost(namespace));
      this.#wakeSome();
    }
    return true;
  }

  async #wait(namespace: string, chase: Chase): Promise<void> {
    const { clock, budget, cost, firstWaitMs, longestWaitMs } = this.#options;
    if (!chase.isStale) {
      const waitMs = Math.min(firstWaitMs * 2 ** Math.min(chase.attempt - 1, 20), longestWaitMs());
      chase.sleep = new AbortController();
      await this.#until(chase.sleep, (signal) => clock.sleep(waitMs, signal));
      chase.sleep = undefined;
    }
    if (!isPatient(chase)) return;
    chase.queue = new AbortController();
    await this.#until(chase.queue, (signal) => budget.take(chase.attempt, cost(namespace), signal));
    chase.queue = undefined;
  }

  /** Resolves when the wait is over or was cut short; rejects when the agent stops. */
  async #until(cut: AbortController, wait: (signal: AbortSignal) => Promise<void>): Promise<void> {
    try {
      await wait(AbortSignal.any([this.#signal, cut.signal]));
    } catch (error) {
      if (this.#signal.aborted || !cut.signal.aborted) throw error;
    }
  }

  #wakeSome(): void {
    const asleep = [...this.#chases.values()].filter((chase) => chase.sleep !== undefined && isPatient(chase));
    for (const { sleep } of asleep.slice(0, WOKEN)) sleep?.abort();
  }
}
