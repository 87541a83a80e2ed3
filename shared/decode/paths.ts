import type { ManagedClusterDocument, RegionGroupDocument, RolloutStrategyDocument, SovereignPolicyDocument } from '../api/index.ts';

export type PolicyDocument = SovereignPolicyDocument | ManagedClusterDocument | RegionGroupDocument | RolloutStrategyDocument;
export type Kind = PolicyDocument['kind'];

/** Folder of each kind at the root of the policy repository. */
export const FOLDERS: Readonly<Record<Kind, string>> = {
  SovereignPolicy: 'policies',
  ManagedCluster: 'clusters',
  RegionGroup: 'regions',
  RolloutStrategy: 'rollout',
};

const POLICY_PATH = /^(?:(policies|clusters|regions|rollout)\/.+|(rollout))\.ya?ml$/i;

/** Folder that a path counts under, `rollout` for a `rollout.yaml` at the root; undefined when the path is none of ours. */
export const folderOf = (path: string): string | undefined => {
  const match = POLICY_PATH.exec(path);
  return (match?.[1] ?? match?.[2])?.toLowerCase();
};

/**
 * Whether a file of the repository says something about policy: YAML under `policies/`, `clusters/`, `regions/` or
 * `rollout/`, or `rollout.yaml`. Upper and lower case are alike, so that `Finance.YAML` is never silently left out.
 *
 * @param path relative to the repository's root, with `/`
 */
export const isPolicyPath = (path: string): boolean => folderOf(path) !== undefined;
