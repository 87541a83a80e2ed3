import { GitObjectError } from '@fso/shared/git';
import { encodeFrame, MAX_HUB_FRAME_BYTES } from '@fso/shared/protocol';
import { dropOldest, Mutex, mapConcurrently } from '@fso/shared/runtime';
import type { ObjectAccess, RevisionPart } from '../../source/index.ts';

/** An encoded frame, in two parts that follow each other. */
export interface EncodedOffer {
  readonly revision: string;
  /** All but the end, shared by all agents that get it. */
  readonly shared: Buffer;
  /** The end, with the objects for this cluster alone. */
  readonly own: Buffer;
  readonly objects: number;
}

/** Cluster of an agent, and the ids of the commits that it claims to have; null if none. */
export interface AgentHistory {
  /** Decides which part of a revision it gets. */
  readonly cluster: string;
  /** Commit whose objects the agent has. */
  readonly holds: string | null;
  /** Commit that the next one has to be shown to descend from. */
  readonly anchor: string | null;
}

/** Makes offers from the clone, and caches the parts that several agents get. */
export interface Offers {
  /**
   * Makes the frame that brings an agent from what it has to a revision. All but its end is made
   * once for agents that have and get the same. If the chain does not fit into a frame, the frame
   * has the whole revision without one, which an agent that verifies no signatures accepts.
   *
   * @param isClaim whether only the agent says that it has these commits: such frames are made one
   * at a time, as each may take a long walk through the history
   */
  get(agent: AgentHistory, revision: string, isClaim?: boolean): Promise<EncodedOffer>;
  /**
   * Makes the frame that shows an agent a revision whose policies wait, once for all agents that
   * have verified the same commit.
   *
   * @param via commit that the chain leads through if one does, as the agent is to have that first
   * @returns undefined if no chain leads to the revision
   */
  advance(anchor: string, revision: string, via: string | null, isClaim?: boolean): Promise<Buffer | undefined>;
  /** Number of frames made, for tests and metrics. */
  made(): number;
}

/** Limits of the caches: shared parts of offers, their bytes, and paths between commits. */
const KEPT = { frames: 256, bytes: 64 * 1024 * 1024, paths: 16 };
const READ_AT_ONCE = 64;

/** Step of an agent from what it has to what it should have. */
interface Step {
  readonly agent: AgentHistory;
  readonly revision: string;
  readonly wanted: RevisionPart;
  /** null if the agent has nothing. */
  readonly held: RevisionPart | null;
}

/** Part of an offer that is the same for all agents that have and get the same. */
interface SharedOffer {
  readonly payload: Buffer;
  readonly objects: number;
  /** Whether the offer leaves out objects that the agents hold. */
  readonly isBuiltOn: boolean;
  /** Trees that the agents hold, by the trees of the revision that replace them. */
  readonly counterparts: ReadonlyMap<string, string>;
}

interface Reading {
  readonly ids: readonly string[];
  readonly has: ReadonlySet<string>;
  readonly counterparts: ReadonlyMap<string, string>;
}

/**
 * Encodes the objects that the agent does not have, each as JSON; a tree as its difference from its
 * counterpart, if there is one.
 *
 * @throws OfferTooLargeError before more is read than a frame holds
 */
const encodeBeyond = (access: ObjectAccess, { ids, has, counterparts }: Reading): Promise<readonly string[]> => {
  let bytes = 0;
  return mapConcurrently(
    ids.filter((id) => !has.has(id)),
    READ_AT_ONCE,
    async (id) => {
      const base = counterparts.get(id);
      const object = JSON.stringify(await access.read(id, base !== undefined && has.has(base) ? base : undefined));
      bytes += object.length;
      if (bytes > MAX_HUB_FRAME_BYTES) throw new OfferTooLargeError();
      return object;
    },
  );
};

/** Path between two commits, which is the same for all clusters. */
interface CommitPath {
  readonly chain: readonly string[];
  /** null if no path from the accepted commit is known, so that nothing can be left out. */
  readonly anchor: string | null;
  /** Ids of the objects that prove the chain. */
  readonly proof: readonly string[];
  /** Trees that the agents hold, by the trees of the revision that replace them. */
  readonly counterparts: ReadonlyMap<string, string>;
}

/**
 * Finds the path from the anchor of an agent to a revision; null if there is none.
 *
 * @throws GitObjectError for a commit or folder on the way that is not parsed, such as one that is
 * too large
 */
const followChain = async (
  access: ObjectAccess,
  { holds, anchor }: Omit<AgentHistory, 'cluster'>,
  revision: string,
): Promise<CommitPath | null> => {
  const found = anchor === null ? null : await access.chain(anchor, revision);
  if (found === null) return null;
  const chain = found.length === 0 ? [revision] : found;
  const counterparts = holds === null ? new Map<string, string>() : await access.counterparts(holds, revision);
  return { chain, anchor, proof: await access.proof(chain), counterparts };
};

const findPath = async (access: ObjectAccess, agent: Omit<AgentHistory, 'cluster'>, revision: string): Promise<CommitPath> => {
  const path = await followChain(access, agent, revision).catch((error: unknown) => {
    if (error instanceof GitObjectError) return null;
    throw error;
  });
  return path ?? { chain: [revision], anchor: null, proof: await access.proof([revision]), counterparts: new Map() };
};

/** End of the last field of a frame, its objects, and of the frame. */
const END = ']}';

/** Encodes a frame up to its objects. */
const headOf = (type: 'offer' | 'advance', { chain, anchor }: CommitPath, revision: string): string =>
  encodeFrame({ type, revision, anchor, chain: [...chain], objects: [] }).slice(0, -END.length);

/**
 * Makes the shared part of an offer: objects of `revision` beyond those that are held, and the
 * proof that it descends from the anchor.
 */
const makeShared = async (access: ObjectAccess, { revision, wanted, held }: Step, path: CommitPath): Promise<SharedOffer> => {
  const { anchor, proof } = path;
  const isBuiltOn = held !== null && anchor !== null;
  const counterparts = isBuiltOn ? path.counterparts : new Map<string, string>();
  const has = new Set(isBuiltOn ? held.shared : []);
  const ids = new Set([...proof, ...wanted.shared]);
  const objects = await encodeBeyond(access, { ids: [...ids], has, counterparts });
  const payload = Buffer.from(headOf('offer', path, revision) + objects.join(','));
  return { payload, objects: objects.length, isBuiltOn, counterparts };
};

/** Makes the whole frame of {@link Offers.advance}. @throws OfferTooLargeError */
const encodeAdvance = async (access: ObjectAccess, path: CommitPath, revision: string): Promise<Buffer> => {
  const objects = await encodeBeyond(access, { ids: path.proof, has: new Set(), counterparts: new Map() });
  return Buffer.from(headOf('advance', path, revision) + objects.join(',') + END);
};

class OfferMaker implements Offers {
  readonly #access: ObjectAccess;
  /** The oldest first. */
  readonly #kept = new Map<string, { readonly making: Promise<SharedOffer>; bytes: number }>();
  readonly #paths = new Map<string, Promise<CommitPath>>();
  readonly #advances = new Map<string, Promise<Buffer | undefined>>();
  readonly #claims = new Mutex();
  #made = 0;

  constructor(access: ObjectAccess) {
    this.#access = access;
  }

  made(): number {
    return this.#made;
  }

  async get(agent: AgentHistory, revision: string, isClaim = false): Promise<EncodedOffer> {
    try {
      return await this.#make(agent, revision, isClaim);
    } catch (error) {
      if (!(error instanceof OfferTooLargeError) || agent.anchor === null) throw error;
      return this.#make({ ...agent, anchor: null }, revision, isClaim);
    }
  }

  async #make(agent: AgentHistory, revision: string, isClaim: boolean): Promise<EncodedOffer> {
    const { cluster, holds } = agent;
    const wanted = await this.#access.partOf(revision, cluster);
    if (wanted === null) throw new Error(`objects of revision ${revision} are not in the clone`);
    const step: Step = { agent, revision, wanted, held: holds === null ? null : await this.#access.partOf(holds, cluster) };
    const shared = await this.#sharedOf(step, isClaim);
    const objects = await this.#ownOf(step, shared);
    const comma = shared.objects > 0 && objects.length > 0 ? ',' : '';
    const own = Buffer.from(`${comma}${objects.join(',')}${END}`);
    if (shared.payload.byteLength + own.byteLength > MAX_HUB_FRAME_BYTES) throw new OfferTooLargeError();
    return { revision, shared: shared.payload, own, objects: shared.objects + objects.length };
  }

  async advance(anchor: string, revision: string, via: string | null, isClaim = false): Promise<Buffer | undefined> {
    const key = JSON.stringify([anchor, revision, via]);
    const make = async (): Promise<Buffer | undefined> => {
      const path =
        (via !== null && via !== anchor && (await this.#pathVia(anchor, via, revision))) ||
        (await this.#pathOf({ holds: null, anchor }, revision));
      return path.anchor === null ? undefined : encodeAdvance(this.#access, path, revision);
    };
    const making = this.#advances.get(key) ?? (isClaim ? this.#claims.run(make) : make());
    this.#advances.set(key, making);
    making.catch((error: unknown) => isFinal(error) || this.#advances.delete(key));
    dropOldest(this.#advances, KEPT.paths);
    return making;
  }

  /** Finds the path through a commit in between; undefined if none leads through it. */
  async #pathVia(anchor: string, via: string, revision: string): Promise<CommitPath | undefined> {
    const first = await this.#pathOf({ holds: null, anchor }, via);
    const rest = await this.#pathOf({ holds: null, anchor: via }, revision);
    if (first.anchor === null || rest.anchor === null) return undefined;
    const proof = [...new Set([...first.proof, ...rest.proof])];
    return { ...rest, anchor, chain: [...first.chain, ...rest.chain], proof };
  }

  #ownOf({ wanted, held }: Step, { counterparts, isBuiltOn }: SharedOffer): Promise<readonly string[]> {
    return encodeBeyond(this.#access, { ids: wanted.own, has: new Set(isBuiltOn ? held?.own : []), counterparts });
  }

  #sharedOf(step: Step, isClaim: boolean): Promise<SharedOffer> {
    const { agent, revision, wanted, held } = step;
    const key = JSON.stringify([agent.holds, agent.anchor, revision, held?.key ?? null, wanted.key]);
    const known = this.#kept.get(key);
    if (known !== undefined) return known.making;
    const make = async () => makeShared(this.#access, step, await this.#pathOf(agent, revision));
    const entry = { making: isClaim ? this.#claims.run(make) : make(), bytes: 0 };
    this.#kept.set(key, entry);
    entry.making.then(
      ({ payload }) => {
        this.#made += 1;
        entry.bytes = payload.byteLength;
        this.#dropHeavy();
      },
      (error: unknown) => isFinal(error) || this.#kept.delete(key),
    );
    dropOldest(this.#kept, KEPT.frames);
    return entry.making;
  }

  #pathOf(agent: Omit<AgentHistory, 'cluster'>, revision: string): Promise<CommitPath> {
    const key = JSON.stringify([agent.holds, agent.anchor, revision]);
    const finding = this.#paths.get(key) ?? findPath(this.#access, agent, revision);
    this.#paths.set(key, finding);
    finding.catch(() => this.#paths.delete(key));
    dropOldest(this.#paths, KEPT.paths);
    return finding;
  }

  #dropHeavy(): void {
    let bytes = [...this.#kept.values()].reduce((sum, entry) => sum + entry.bytes, 0);
    for (const [key, entry] of this.#kept) {
      if (bytes <= KEPT.bytes) return;
      this.#kept.delete(key);
      bytes -= entry.bytes;
    }
  }
}

/**
 * Error of an offer that does not fit into one frame. Offers.get tries again without the chain of
 * commits, so its callers get the error only if that is too large, too.
 */
export class OfferTooLargeError extends Error {
  override readonly name = 'OfferTooLargeError';

  constructor() {
    super(`what this agent needs of the commit takes more than the ${MAX_HUB_FRAME_BYTES} bytes of a frame`);
  }
}

/**
 * Whether making a frame would fail again after as much reading, so that the failure is cached.
 * Other failures are retried by the next caller.
 */
const isFinal = (error: unknown): boolean => error instanceof OfferTooLargeError;

/** Makes offers from the clone. */
export const createOffers = (access: ObjectAccess): Offers => new OfferMaker(access);
