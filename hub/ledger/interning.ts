import { WeakValues } from '@fso/shared/runtime';
import type { ClusterRecord } from './types.ts';

type Policies = ClusterRecord['policies'];

/** By their digest. */
const sets = new WeakValues<Policies>();

/** Not by the digest: a cluster could make up reports that have the digest of another one's. */
const isSame = (a: Policies, b: Policies): boolean => a.size === b.size && [...a].every(([key, report]) => b.get(key) === report);

/** @returns one map for all clusters with the same policies that say the same. @param digest see digestOfReports */
export const internPolicies = (digest: string, policies: Policies): Policies => {
  const known = sets.get(digest);
  if (known !== undefined && isSame(known, policies)) return known;
  sets.set(digest, policies);
  return policies;
};
