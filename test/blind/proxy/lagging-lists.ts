/** A list as it was at one moment. */
interface Snapshot {
  readonly atMs: number;
  readonly body: string;
  readonly version: number;
}

export interface LaggingListsOptions {
  readonly lagMs: number;
  /** Reads a whole list. */
  readonly read: (collection: string) => Promise<string>;
  /** The newest version that the client has seen of a collection. */
  readonly seenVersion: (collection: string) => number;
}

/** Several within a lag, so that what is served is about as old as it may be. */
const POLLS_IN_LAG = 12;

export const versionOfList = (body: string): number =>
  Number((JSON.parse(body) as { metadata?: { resourceVersion?: string } }).metadata?.resourceVersion ?? 0);

/**
 * Lists as they were up to some seconds ago, as from a store that lags; none is older than what the
 * client has seen.
 */
export class LaggingLists {
  readonly #options: LaggingListsOptions;
  readonly #snapshots = new Map<string, Snapshot[]>();
  #timer: NodeJS.Timeout | undefined;

  constructor(options: LaggingListsOptions) {
    this.#options = options;
  }

  /** Begins to keep these lists; resolves once there is one of each. */
  async start(collections: Iterable<string>): Promise<void> {
    for (const collection of collections) this.#snapshots.set(collection, []);
    await this.#poll();
    this.#schedule();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#snapshots.clear();
  }

  async serve(collection: string): Promise<{ readonly body: string; readonly isStale: boolean }> {
    if (!this.#snapshots.has(collection)) {
      this.#snapshots.set(collection, []);
      await this.#pollOne(collection);
    }
    const snapshots = this.#snapshots.get(collection) ?? [];
    const latest = snapshots.at(-1);
    if (latest === undefined) throw new Error(`there is no list of ${collection}`);
    const seen = this.#options.seenVersion(collection);
    const served = snapshots.find(({ version }) => version >= seen) ?? latest;
    return { body: served.body, isStale: served !== latest };
  }

  #schedule(): void {
    this.#timer = setTimeout(() => {
      void this.#poll().then(() => {
        if (this.#timer !== undefined) this.#schedule();
      });
    }, this.#options.lagMs / POLLS_IN_LAG);
  }

  async #poll(): Promise<void> {
    await Promise.all([...this.#snapshots.keys()].map((collection) => this.#pollOne(collection)));
  }

  async #pollOne(collection: string): Promise<void> {
    const atMs = performance.now();
    try {
      const body = await this.#options.read(collection);
      const snapshots = this.#snapshots.get(collection);
      snapshots?.push({ atMs, body, version: versionOfList(body) });
      while (snapshots?.[1] !== undefined && snapshots[0] !== undefined && snapshots[0].atMs < atMs - this.#options.lagMs)
        snapshots.shift();
    } catch {
      // The kind may not be served for a moment; the last lists stay.
    }
  }
}
