import type { ClusterEvent } from '@fso/shared/api';
import type { PolicySet } from '@fso/shared/decode';

export interface ReleasePlan {
  /** Clusters that may move to the revision now. */
  readonly clusters: readonly string[];
  readonly events: readonly Omit<ClusterEvent, 'time'>[];
}

/**
 * Plans step ③: the clusters that may move to a revision now. Pure. There is one rule yet: every
 * cluster at once. A RolloutStrategy is validated with the rest of the commit and then not
 * followed. A warning event reports that, because waves that are silently skipped would be a false
 * promise.
 */
export const planRelease = (desired: { readonly revision: string; readonly set: PolicySet }, clusters: readonly string[]): ReleasePlan => {
  const { rollout } = desired.set;
  if (rollout === undefined) return { clusters, events: [] };
  return {
    clusters,
    events: [
      {
        severity: 'warning',
        reason: 'RolloutStrategyIgnored',
        message: `RolloutStrategy ${rollout.document.metadata.name} (${rollout.source.path}:${rollout.source.line}) is not followed: every cluster gets the revision at once.`,
        revision: desired.revision,
      },
    ],
  };
};
