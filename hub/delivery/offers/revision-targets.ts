import { dropOldest } from '@fso/shared/runtime';

/** Returns the later of a revision that is to be offered and one that an agent has. */
type LaterOf = (revision: string, has: string) => string;

/** Revisions whose digests stay, for agents that are a little behind. */
const REVISIONS_KEPT = 8;

/**
 * The revision that each cluster should enforce, and what the hub expects the clusters to make of
 * recent revisions.
 */
export class RevisionTargets {
  #current: string | null = null;
  #held: ReadonlyMap<string, string | null> = new Map();
  #laterOf: LaterOf | undefined;
  readonly #digests = new Map<string, ReadonlyMap<string, string>>();

  /**
   * Sets the revision that clusters should enforce from now on.
   *
   * @param held by cluster: another one, that it is held at; null: it cannot be offered. Default:
   * none
   * @param laterOf absent: a cluster may be sent back
   */
  setTarget(revision: string, held: ReadonlyMap<string, string | null> = new Map(), laterOf?: LaterOf): void {
    this.#current = revision;
    this.#held = held;
    this.#laterOf = laterOf;
  }

  /** @param digests by cluster: the digest that an agent has to ack */
  keepDigests(revision: string, digests: ReadonlyMap<string, string>): void {
    this.#digests.delete(revision);
    this.#digests.set(revision, digests);
    dropOldest(this.#digests, REVISIONS_KEPT);
  }

  /** The newest released revision, whose signers count in every cluster; null: none yet. */
  get newest(): string | null {
    return this.#current;
  }

  /** @returns the revision that a cluster should enforce now; null: none yet */
  targetOf(cluster: string): string | null {
    const held = this.#held.get(cluster);
    return held === undefined ? this.#current : held;
  }

  /**
   * @param has commit that an agent enforces by its own word, which may be ahead of the ledger
   * @returns what it may be offered in the place of a revision that is to be offered
   */
  laterOf(revision: string, has: string | null): string {
    return has === null ? revision : (this.#laterOf?.(revision, has) ?? revision);
  }

  /**
   * @returns the digest of what a cluster gets of a revision; undefined: the hub does not know it,
   * or no longer
   */
  digestOf(cluster: string, revision: string): string | undefined {
    return this.#digests.get(revision)?.get(cluster);
  }
}
