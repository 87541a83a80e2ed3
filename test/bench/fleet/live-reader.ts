import type { StreamEvent } from '@fso/shared/api';
import { createHubClient } from '../../../hub/cli/client/api-client.ts';
import { now } from './orders.ts';

/** Number of clusters that a reader knew, at a time, to have proven a commit. */
export interface ProvenCount {
  readonly at: number;
  readonly proven: number;
}

/**
 * Converts counts to times: the n-th is the time at which the reader first knew of n + 1 clusters.
 * A later, lower count changes nothing.
 *
 * @returns at most `wanted` times, ascending
 */
export const timesOfCounts = (counts: readonly ProvenCount[], wanted: number): readonly number[] => {
  const times: number[] = [];
  for (const { at, proven } of counts) while (times.length < Math.min(proven, wanted)) times.push(at);
  return times;
};

interface Watch {
  readonly revision: string;
  readonly wanted: number;
  /** Returns the number of clusters whose agents have sent that report. */
  readonly reported: () => number;
  readonly counts: ProvenCount[];
  readonly clusters: Set<string>;
  readonly done: PromiseWithResolvers<void>;
}

/** Commit that the reader watches. */
export interface Watched extends Pick<Watch, 'revision' | 'wanted' | 'reported'> {
  /** Clusters that are not counted. */
  readonly without: ReadonlySet<string>;
}

/**
 * Reader of live events, like a dashboard. It learns of single clusters by name, and of many
 * simultaneous changes by the count in the status.
 */
export class LiveReader {
  readonly #stop = new AbortController();
  /** Clusters that were recently named, with the commit that they have proven. */
  readonly #named = new Map<string, { readonly revision: string | null; readonly at: number }>();
  #watch: (Watch & Pick<Watched, 'without'>) | undefined;
  #running: Promise<void> = Promise.resolve();

  /** Connects to a hub. */
  async open(server: string, token: string): Promise<void> {
    const opened = Promise.withResolvers<void>();
    this.#running = this.#read(createHubClient({ server, token }), opened.resolve).catch((error: unknown) => {
      opened.reject(error);
      this.#watch?.done.reject(error);
    });
    await opened.promise;
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  /**
   * Resolves once the reader knows that this many clusters have proven a commit.
   *
   * @returns time at which it knew of each, in ms since 1970
   */
  async watch({ without, ...watched }: Watched): Promise<readonly number[]> {
    const watch = { ...watched, without, counts: [], clusters: new Set<string>(), done: Promise.withResolvers<void>() };
    this.#watch = watch;
    for (const [cluster, { revision, at }] of this.#named) this.#noteCluster(cluster, revision, at);
    await watch.done.promise;
    this.#watch = undefined;
    return timesOfCounts(watch.counts, watched.wanted);
  }

  /** Forgets the clusters read so far, before a commit is made. */
  begin(): void {
    this.#named.clear();
  }

  async #read(client: ReturnType<typeof createHubClient>, onOpen: () => void): Promise<void> {
    for await (const event of client.stream({ onOpen }, this.#stop.signal)) this.#take(event);
    throw new Error('the hub has ended the stream of live events');
  }

  #take({ event, data }: StreamEvent): void {
    if (event === 'cluster') {
      this.#named.set(data.name, { revision: data.provenRevision, at: now() });
      this.#noteCluster(data.name, data.provenRevision, now());
    }
    if (event === 'status' && this.#watch !== undefined && data.source.revision?.revision === this.#watch.revision)
      // The source may be ahead of the compiled commit. The count then still belongs to the
      // previous commit.
      this.#noteCount(Math.min(data.clusters.proven, this.#watch.reported()), now());
  }

  #noteCluster(cluster: string, revision: string | null, at: number): void {
    const watch = this.#watch;
    if (watch === undefined || revision !== watch.revision || watch.without.has(cluster)) return;
    watch.clusters.add(cluster);
    this.#noteCount(watch.clusters.size, at);
  }

  #noteCount(proven: number, at: number): void {
    this.#watch?.counts.push({ at, proven });
    if (this.#watch !== undefined && proven >= this.#watch.wanted) this.#watch.done.resolve();
  }
}
