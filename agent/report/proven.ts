import type { AgentSnapshot, PolicySnapshot } from '../observe/types.ts';

/** The accepted commit, as the cluster was told it. */
export interface AcceptedPolicies {
  readonly keys: ReadonlySet<string> | ReadonlyMap<string, unknown>;
  /** `metadata.generation` that the API server answered for the accepted content; undefined: it does not stand there now. */
  readonly generationOf: (key: string) => number | undefined;
}

/**
 * Whether every policy of the accepted commit is proven, at least at the generation that was written, and none is left
 * that the commit no longer has. A proof of an older generation proves the older text.
 */
export const isProven = (accepted: AcceptedPolicies, { policies }: AgentSnapshot): boolean => {
  for (const key of accepted.keys.keys()) if (!provesGeneration(policies.get(key), accepted.generationOf(key))) return false;
  for (const [key, { report }] of policies) if (report.managedBy === 'hub' && !accepted.keys.has(key)) return false;
  return true;
};

const provesGeneration = (snapshot: PolicySnapshot | undefined, generation: number | undefined): boolean =>
  snapshot?.proven === true && generation !== undefined && snapshot.generation >= generation;
