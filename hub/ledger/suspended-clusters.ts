import type { ClusterRecord } from './types.ts';

/** Name of the part that is out of date while the process of the hub was paused. */
export const HUB_PAUSE = 'HubPause';

/** Clusters that this hub shows as not observed for a while, regardless of their stored state. */
export class SuspendedClusters {
  /** Times of suspension by cluster name, RFC 3339. */
  readonly #since = new Map<string, string>();
  /** Records for readers by stored record. Cached, because readers detect changes by identity. */
  readonly #shown = new WeakMap<ClusterRecord, ClusterRecord>();

  add(name: string, since: string): void {
    if (!this.#since.has(name)) this.#since.set(name, since);
  }

  /** @returns whether the cluster was suspended */
  delete(name: string): boolean {
    return this.#since.delete(name);
  }

  /** Returns the record for readers. */
  show(record: ClusterRecord): ClusterRecord {
    const since = this.#since.get(record.name);
    if (since === undefined || !record.connected || record.notObserved !== null) return record;
    const known = this.#shown.get(record);
    if (known?.notObserved?.since === since) return known;
    const shown = { ...record, notObserved: { since, what: [HUB_PAUSE] } };
    this.#shown.set(record, shown);
    return shown;
  }
}
