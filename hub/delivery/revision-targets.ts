import { dropOldest } from '@fso/shared/runtime';

/** Revisions whose digests stay, for agents that are a little behind. */
const REVISIONS_KEPT = 8;

/** The revision that each cluster should enforce, and what the hub expects the clusters to make of recent revisions. */
export class RevisionTargets {
  #current: string | null = null;
  readonly #digests = new Map<string, ReadonlyMap<string, string>>();

  /** From now on every cluster should enforce this revision. */
  aim(revision: string): void {
    this.#current = revision;
  }

  /** @param digests by cluster: the digest that an agent has to ack */
  keepDigests(revision: string, digests: ReadonlyMap<string, string>): void {
    this.#digests.set(revision, digests);
    dropOldest(this.#digests, REVISIONS_KEPT);
  }

  /** @returns the revision that a cluster should enforce now; null: none yet */
  targetOf(_cluster: string): string | null {
    return this.#current;
  }

  /** @returns the digest of what a cluster gets of a revision; undefined: the hub does not know it, or no longer */
  digestOf(cluster: string, revision: string): string | undefined {
    return this.#digests.get(revision)?.get(cluster);
  }
}
