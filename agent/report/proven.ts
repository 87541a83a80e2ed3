import type { AgentSnapshot, PolicySnapshot } from '../observe/index.ts';
import type { AcceptedPolicies } from './accepted-list.ts';

/**
 * Whether every policy of the accepted commit is proven at the written generation or a later one, and no policy is left that
 * the commit no longer has. A proof of an older generation proves the older text.
 */
export const isRevisionProven = (
  { policies: accepted, generationOf }: Pick<AcceptedPolicies, 'policies' | 'generationOf'>,
  { policies }: AgentSnapshot,
): boolean => {
  for (const key of accepted.keys()) if (!provesGeneration(policies.get(key), generationOf(key))) return false;
  for (const [key, { report }] of policies) if (report.managedBy === 'hub' && !accepted.has(key)) return false;
  return true;
};

/**
 * The `provenRevision` of the next report: the revision proven last, until the accepted one is proven; null once the accepted one
 * was proven and no longer is.
 */
export const advanceProven = (before: string | null, { revision, proven }: { revision: string; proven: boolean }): string | null => {
  if (proven) return revision;
  return before === revision ? null : before;
};

const provesGeneration = (snapshot: PolicySnapshot | undefined, generation: number | undefined): boolean =>
  snapshot?.proven === true && generation !== undefined && snapshot.generation >= generation;
