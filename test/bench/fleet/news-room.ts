import type { News } from './orders.ts';

/** Messages of all agents, for which the benchmark waits. */
export class NewsRoom {
  readonly #heard = new Set<(news: News) => void>();

  take(news: readonly News[]): void {
    for (const one of news) for (const listener of this.#heard) listener(one);
  }

  /**
   * Calls a listener with all messages.
   *
   * @returns function that removes it
   */
  listen(listener: (news: News) => void): () => void {
    this.#heard.add(listener);
    return () => this.#heard.delete(listener);
  }

  /** Resolves with the first matching message of each of `count` agents. */
  async fromAll<T extends News>(count: number, isWanted: (news: News) => news is T, signal: AbortSignal): Promise<readonly T[]> {
    const found = new Map<string, T>();
    const all = Promise.withResolvers<void>();
    const end = this.listen((news) => {
      if (isWanted(news) && !found.has(news.cluster)) found.set(news.cluster, news);
      if (found.size === count) all.resolve();
    });
    const stop = (): void => all.reject(signal.reason);
    signal.addEventListener('abort', stop, { once: true });
    try {
      await all.promise;
      return [...found.values()];
    } finally {
      end();
      signal.removeEventListener('abort', stop);
    }
  }
}
