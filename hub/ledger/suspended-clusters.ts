import type { ClusterRecord } from './types.ts';

/** Name of the part that is out of date in a cluster whose hub was paused. */
export const HUB_PAUSE = 'HubPause';

/** Clusters that one hub reads as not observed for a while, regardless of the stored state. */
export class SuspendedClusters {
  /** Times of suspension by cluster name, RFC 3339. */
  readonly #since = new Map<string, string>();
  /** Shown records by the stored ones. They are kept, as readers detect changes by identity. */
  readonly #shown = new WeakMap<ClusterRecord, ClusterRecord>();

  add(name: string, since: string): void {
    if (!this.#since.has(name)) this.#since.set(name, since);
  }

  /** @returns whether it was there */
  delete(name: string): boolean {
    return this.#since.delete(name);
  }

  /** Returns the record as readers see it. */
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
