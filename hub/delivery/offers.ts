import { encodeFrame } from '@fso/shared/protocol';
import { mapLimit } from '@fso/shared/runtime';
import { dropOldest } from '../drop-oldest.ts';
import type { ObjectAccess } from '../source/types.ts';

export interface EncodedOffer {
  readonly revision: string;
  /** The frame as it goes over the wire, shared by all who get it. */
  readonly payload: Buffer;
  readonly objects: number;
}

export interface Offers {
  /**
   * The frame that brings an agent from what it holds to a revision; made once per pair, however many ask.
   *
   * @param holds commit whose objects the agent has; null, or one that is no ancestor: everything is sent
   */
  get(holds: string | null, revision: string): Promise<EncodedOffer>;
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

/** What to send: what `revision` has beyond what is held, and every commit between, so that descent can be proven. */
const planOffer = async (
  access: ObjectAccess,
  holds: string | null,
  revision: string,
): Promise<{ chain: readonly string[]; ids: readonly string[] }> => {
  const wanted = required(await access.objectsOf(revision), revision);
  const held = holds === null ? null : await access.objectsOf(holds);
  const chain = holds === null || held === null ? null : await access.chain(holds, revision);
  if (held === null || chain === null || chain.length === 0) return { chain: [revision], ids: wanted };
  const has = new Set(held);
  const ids = new Set([...chain, ...wanted]);
  return { chain, ids: [...ids].filter((id) => !has.has(id)) };
};

export const createOffers = (access: ObjectAccess): Offers => {
  const pairs = new Map<string, Promise<EncodedOffer>>();
  let made = 0;
  const make = async (holds: string | null, revision: string): Promise<EncodedOffer> => {
    const { chain, ids } = await planOffer(access, holds, revision);
    const objects = await mapLimit(ids, READ_AT_ONCE, (id) => access.read(id));
    made += 1;
    return {
      revision,
      objects: objects.length,
      payload: Buffer.from(encodeFrame({ type: 'offer', revision, chain: [...chain], objects })),
    };
  };
  return {
    made: () => made,
    get: (holds, revision) => {
      const key = `${holds ?? ''}..${revision}`;
      const known = pairs.get(key);
      if (known !== undefined) return known;
      const making = make(holds, revision);
      pairs.set(key, making);
      // A failed one is tried again by the next who asks.
      making.catch(() => pairs.delete(key));
      dropOldest(pairs, PAIRS_KEPT);
      return making;
    },
  };
};
