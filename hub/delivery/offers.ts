import { encodeFrame } from '@fso/shared/protocol';
import { dropOldest, Mutex, mapConcurrently } from '@fso/shared/runtime';
import type { ObjectAccess } from '../source/index.ts';

export interface EncodedOffer {
  readonly revision: string;
  /** The frame as it goes over the wire, shared by all who get it. */
  readonly payload: Buffer;
  readonly objects: number;
}

/** The commits that an agent says it has. Ids; null: none. */
export interface AgentHistory {
  /** Commit whose objects the agent has. */
  readonly holds: string | null;
  /** Commit that the next one has to be shown to descend from. */
  readonly anchor: string | null;
}

export interface Offers {
  /**
   * The frame that brings an agent from what it has to a revision; made once per pair, however many ask.
   *
   * @param isClaim only the agent says that it has that: such frames are made one at a time, as each may be a long walk through the history
   */
  get(agent: AgentHistory, revision: string, isClaim?: boolean): Promise<EncodedOffer>;
  /** How many frames were made, for tests and metrics. */
  made(): number;
}

/** Pairs kept for the current revision; each holds one payload, so the bound is on memory. */
const PAIRS_KEPT = 16;
const READ_AT_ONCE = 64;

const required = <T>(value: T | null, revision: string): T => {
  if (value === null) throw new Error(`objects of revision ${revision} are not in the clone`);
  return value;
};

interface Plan {
  readonly anchor: string | null;
  readonly chain: readonly string[];
  /** Objects to send. */
  readonly ids: readonly string[];
  /** Of trees to send: the one that the agent holds in its place. */
  readonly bases: ReadonlyMap<string, string>;
}

/** What to send: what `revision` has beyond what is held, and what proves that it descends from the anchor. */
const planOffer = async (access: ObjectAccess, { holds, anchor }: AgentHistory, revision: string): Promise<Plan> => {
  const wanted = required(await access.objectsOf(revision), revision);
  const found = anchor === null ? null : await access.chain(anchor, revision);
  // Without a way from what was accepted nothing is taken for granted.
  const isBuiltOn = holds !== null && found !== null;
  const held = new Set(isBuiltOn ? await access.objectsOf(holds) : []);
  const pairs = isBuiltOn ? [...(await access.counterparts(holds, revision))] : [];
  const bases = new Map(pairs.filter(([, base]) => held.has(base)));
  const chain = found === null || found.length === 0 ? [revision] : found;
  const ids = new Set([...(await access.proof(chain)), ...wanted]);
  return { anchor: found === null ? null : anchor, chain, ids: [...ids].filter((id) => !held.has(id)), bases };
};

/** Makes offers from the clone, once per pair of commits. */
export const createOffers = (access: ObjectAccess): Offers => {
  const pairs = new Map<string, Promise<EncodedOffer>>();
  const claims = new Mutex();
  let made = 0;
  const make = async (agent: AgentHistory, revision: string): Promise<EncodedOffer> => {
    const { anchor, chain, ids, bases } = await planOffer(access, agent, revision);
    const objects = await mapConcurrently(ids, READ_AT_ONCE, (id) => access.read(id, bases.get(id)));
    made += 1;
    return {
      revision,
      objects: objects.length,
      payload: Buffer.from(encodeFrame({ type: 'offer', revision, anchor, chain: [...chain], objects })),
    };
  };
  return {
    made: () => made,
    get: (agent, revision, isClaim = false) => {
      const key = `${agent.holds ?? ''}..${agent.anchor ?? ''}..${revision}`;
      const known = pairs.get(key);
      if (known !== undefined) return known;
      const making = isClaim ? claims.run(() => make(agent, revision)) : make(agent, revision);
      pairs.set(key, making);
      // A failed one is tried again by the next who asks.
      making.catch(() => pairs.delete(key));
      dropOldest(pairs, PAIRS_KEPT);
      return making;
    },
  };
};

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
