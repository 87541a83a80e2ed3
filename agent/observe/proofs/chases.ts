import type { Clock } from '@fso/shared/runtime';
import type { RetryBudget } from './retry-budget.ts';

/** First retries, whose waits double: what a change needs to take effect, and there are no more of them than changes. */
const FREE_RETRIES = 7;
/** What held up one may have held up others: so many of those that wait look at once when one is proven at last. */
const WOKEN = 16;

interface ChaseOptions {
  readonly clock: Clock;
  /** Shared by all that asks again in this cluster. */
  readonly budget: RetryBudget;
  readonly firstWaitMs: number;
  /** @param elapsedMs since the chase began, or began anew */
  look(namespace: string, elapsedMs: () => number): Promise<'proven' | 'over' | 'again'>;
  /** How many requests a look takes. */
  cost(namespace: string): number;
  /** Longest wait between two looks. */
  longestWaitMs(): number;
  failed(namespace: string, error: unknown): void;
}

interface Chase {
  attempt: number;
  began: number;
  /** Aborted when what was expected changed: then there is nothing to wait for. */
  anew: AbortController;
  /** Aborted when it is worth a look before the time. */
  nap: AbortController;
}

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
    const chase = this.#chases.get(namespace);
    if (chase === undefined) this.#begin(namespace, 0);
    else chase.anew.abort();
  }

  /** Nothing changed here, only something is not as it was, maybe everywhere: the first look waits its turn like any retry. */
  resume(namespace: string): void {
    const chase = this.#chases.get(namespace);
    if (chase === undefined) {
      this.#begin(namespace, FREE_RETRIES + 1);
      return;
    }
    chase.attempt = Math.max(chase.attempt, FREE_RETRIES + 1);
    chase.began = this.#options.clock.monotonicMs();
    chase.nap.abort();
  }

  #begin(namespace: string, attempt: number): void {
    const chase = { attempt, began: this.#options.clock.monotonicMs(), anew: new AbortController(), nap: new AbortController() };
    this.#chases.set(namespace, chase);
    void this.#follow(namespace, chase);
  }

  /** Never rejects: what goes wrong here is shown where people look for it. */
  async #follow(namespace: string, chase: Chase): Promise<void> {
    try {
      if (chase.attempt > FREE_RETRIES) await this.#pause(namespace, chase, 0);
      while (await this.#look(namespace, chase)) await this.#rest(namespace, chase);
    } catch (error) {
      if (!this.#signal.aborted) this.#options.failed(namespace, error);
    } finally {
      this.#chases.delete(namespace);
    }
  }

  /** @returns whether to look again */
  async #look(namespace: string, chase: Chase): Promise<boolean> {
    const { clock, budget, look, cost } = this.#options;
    if (chase.anew.signal.aborted) {
      chase.anew = new AbortController();
      chase.attempt = 0;
      chase.began = clock.monotonicMs();
    }
    const result = await look(namespace, () => clock.monotonicMs() - chase.began);
    this.#signal.throwIfAborted();
    if (result === 'proven' && chase.attempt > FREE_RETRIES) {
      budget.reward(cost(namespace));
      this.#wakeSome();
    }
    return result === 'again' || chase.anew.signal.aborted;
  }

  async #rest(namespace: string, chase: Chase): Promise<void> {
    const { firstWaitMs, longestWaitMs } = this.#options;
    const waitMs = Math.min(firstWaitMs * 2 ** Math.min(chase.attempt, 20), longestWaitMs());
    chase.attempt += 1;
    await this.#pause(namespace, chase, waitMs);
  }

  /** Ends at once when the chase begins anew. */
  async #pause(namespace: string, chase: Chase, waitMs: number): Promise<void> {
    const { budget, cost } = this.#options;
    const signal = AbortSignal.any([this.#signal, chase.anew.signal]);
    try {
      await this.#nap(chase, waitMs, signal);
      if (chase.attempt > FREE_RETRIES) await budget.take(chase.attempt, cost(namespace), signal);
    } catch (error) {
      if (this.#signal.aborted || !chase.anew.signal.aborted) throw error;
    }
  }

  async #nap(chase: Chase, waitMs: number, signal: AbortSignal): Promise<void> {
    chase.nap = new AbortController();
    try {
      await this.#options.clock.sleep(waitMs, AbortSignal.any([signal, chase.nap.signal]));
    } catch (error) {
      if (signal.aborted) throw error;
    }
  }

  #wakeSome(): void {
    const napping = [...this.#chases.values()].filter(({ attempt, nap }) => attempt > FREE_RETRIES && !nap.signal.aborted);
    for (const { nap } of napping.slice(0, WOKEN)) nap.abort();
  }
}
