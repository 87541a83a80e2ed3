import type { PolicyReport } from '@fso/shared/api';

/**
 * What a cluster reports of a thousand policies must outlive the hub, without a row per policy and cluster. Policies that are Active without
 * violations lie together in chunks; a change of one rewrites its chunk. The others, which people ask for, have a row each.
 */

/** With 1,000 policies a chunk holds about eight: some 10 KB. */
export const CHUNKS = 128;

/** Keys of policies are the same in all clusters, so their places are worked out once. */
const MAX_PLACES = 100_000;
const places = new Map<string, number>();

/** FNV-1a (http://www.isthe.com/chongo/tech/comp/fnv/). StoredLedger rows depend on it: it must never change. */
const hash = (text: string): number => {
  let value = 0x811c9dc5;
  for (let i = 0; i < text.length; i += 1) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193) >>> 0;
  return value;
};

export const chunkOf = (key: string): number => {
  const known = places.get(key);
  if (known !== undefined) return known;
  if (places.size >= MAX_PLACES) places.clear();
  const place = hash(key) % CHUNKS;
  places.set(key, place);
  return place;
};

export const isConforming = ({ phase, violations }: PolicyReport): boolean => phase === 'Active' && violations === 0;

/** The conforming policies of some chunks, by chunk; also of those that have none. */
export const fillChunks = (policies: ReadonlyMap<string, PolicyReport>, chunks: ReadonlySet<number>): Map<number, PolicyReport[]> => {
  const filled = new Map([...chunks].map((chunk) => [chunk, [] as PolicyReport[]]));
  for (const [key, policy] of policies) if (isConforming(policy)) filled.get(chunkOf(key))?.push(policy);
  return filled;
};
