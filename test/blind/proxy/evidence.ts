import type { Resource } from './requests.ts';

/** Records when whole answers for each kind last went through a proxy, and up to which version. */
export class Evidence {
  readonly #heardMs = new Map<Resource, number>();
  readonly #versions = new Map<string, number>();
  /** Lists that clients requested, by kind. */
  readonly #collections = new Map<Resource, Set<string>>();

  ask(resource: Resource, collection: string): void {
    const collections = this.#collections.get(resource) ?? new Set();
    this.#collections.set(resource, collections.add(collection));
  }

  collectionsOf(resource: Resource): ReadonlySet<string> {
    return this.#collections.get(resource) ?? new Set();
  }

  hear(resource: Resource): void {
    this.#heardMs.set(resource, performance.now());
  }

  see(collection: string, version: number): void {
    if (Number.isFinite(version)) this.#versions.set(collection, Math.max(version, this.seenVersion(collection)));
  }

  seenVersion(collection: string): number {
    return this.#versions.get(collection) ?? 0;
  }

  /**
   * Returns the time of the last whole answer, ms of the monotonic clock; undefined: there was
   * none.
   */
  heardMs(resource: Resource): number | undefined {
    return this.#heardMs.get(resource);
  }
}
