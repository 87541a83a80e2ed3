import { dropOldest } from '@fso/shared/runtime';

/** Returns the later of a revision that is to be offered and one that an agent has. */
type LaterOf = (revision: string, has: string) => string;

/** Most revisions whose digests are kept, for agents that are a little behind. */
const REVISIONS_KEPT = 8;

/**
 * The revision that each cluster should enforce, and the digests that the hub expects in acks of
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
   * @param held other revisions that clusters are held at, by cluster; null if one cannot be
   * offered
   * @param laterOf absent if clusters may be sent back
   */
  setTarget(revision: string, held: ReadonlyMap<string, string | null> = new Map(), laterOf?: LaterOf): void {
    this.#current = revision;
    this.#held = held;
    this.#laterOf = laterOf;
  }

  /** Keeps the digests of a revision. @param digests those that agents have to ack, by cluster */
  keepDigests(revision: string, digests: ReadonlyMap<string, string>): void {
    this.#digests.delete(revision);
    this.#digests.set(revision, digests);
    dropOldest(this.#digests, REVISIONS_KEPT);
  }

  /** The newest released revision, whose signers count in every cluster; null if none yet. */
  get newest(): string | null {
    return this.#current;
  }

  /** @returns the revision that a cluster should enforce now; null if none yet */
  targetOf(cluster: string): string | null {
    const held = this.#held.get(cluster);
    return held === undefined ? this.#current : held;
  }

  /**
   * Returns the revision to offer to an agent: the given one, or what the agent has if that is
   * later.
   *
   * @param has commit that the agent says it enforces, which may be ahead of the ledger
   */
  laterOf(revision: string, has: string | null): string {
    return has === null ? revision : (this.#laterOf?.(revision, has) ?? revision);
  }

  /**
   * @returns the digest of the policies that a revision gives a cluster; undefined if the hub does
   * not know it, or no longer
   */
  digestOf(cluster: string, revision: string): string | undefined {
    return this.#digests.get(revision)?.get(cluster);
  }
}
