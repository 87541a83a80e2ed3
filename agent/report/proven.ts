import type { AgentSnapshot, PolicySnapshot } from '../observe/index.ts';

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

/**
 * `provenRevision` of the next report: trails at the revision proven last while the accepted one is not proven yet, and is
 * none as soon as the accepted one was proven and no longer is.
 */
export const nextProven = (before: string | null, { revision, proven }: { revision: string; proven: boolean }): string | null => {
  if (proven) return revision;
  return before === revision ? null : before;
};

const provesGeneration = (snapshot: PolicySnapshot | undefined, generation: number | undefined): boolean =>
  snapshot?.proven === true && generation !== undefined && snapshot.generation >= generation;
