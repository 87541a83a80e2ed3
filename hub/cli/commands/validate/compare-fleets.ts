import { type CompiledPolicy, compileFleet, digestOfPolicy } from '@fso/shared/compile';
import type { PolicySet } from '@fso/shared/decode';
import { byText, canonicalJson } from '@fso/shared/encoding';

/** Changes shared by some clusters: sorted names of policies. */
export interface PolicyChange {
  readonly clusters: readonly string[];
  readonly gains: readonly string[];
  readonly changes: readonly string[];
  readonly loses: readonly string[];
}

type Digests = ReadonlyMap<string, string>;

/** Digests of the contents of policies, by name. A policy whose file only moved is unchanged. */
const digestsOf = (policies: readonly CompiledPolicy[] | undefined, known: Map<CompiledPolicy, string>): Digests =>
  new Map(
    (policies ?? []).map((policy) => {
      const digest = known.get(policy) ?? digestOfPolicy({ ...policy, sourcePath: '' });
      known.set(policy, digest);
      return [policy.name, digest];
    }),
  );

/**
 * Compares what each cluster gets from two commits. Clusters with the same changes share a row.
 * Pure.
 */
export const compareFleets = (before: PolicySet, after: PolicySet): readonly PolicyChange[] => {
  const [was, is] = [compileFleet(before), compileFleet(after)];
  const digests = new Map<CompiledPolicy, string>();
  const rows = new Map<string, { clusters: string[] } & Omit<PolicyChange, 'clusters'>>();
  for (const cluster of [...new Set([...was.keys(), ...is.keys()])].sort(byText)) {
    if (was.get(cluster)?.digest === is.get(cluster)?.digest) continue;
    const [had, has] = [digestsOf(was.get(cluster)?.policies, digests), digestsOf(is.get(cluster)?.policies, digests)];
    const change = {
      gains: [...has.keys()].filter((name) => !had.has(name)),
      changes: [...has.keys()].filter((name) => had.has(name) && had.get(name) !== has.get(name)),
      loses: [...had.keys()].filter((name) => !has.has(name)),
    };
    const key = canonicalJson(change);
    const row = rows.get(key) ?? { clusters: [], ...change };
    row.clusters.push(cluster);
    rows.set(key, row);
  }
  // Clusters that were added or removed without policies have no changes.
  return [...rows.values()].filter(({ gains, changes, loses }) => gains.length + changes.length + loses.length > 0);
};
