import type { ClusterSteps, CommitActivity, CommitSummary } from '@fso/shared/api';
import { byText } from '@fso/shared/encoding';
import { own } from '@fso/shared/runtime';
import { countReached, unpackSteps } from './cluster-steps.ts';
import type { RolloutRecord } from './rollout-record.ts';

/** The views of a rollout that the API serves. Pure. */

const stateOf = ({ problems, enforced, refused, superseded }: RolloutRecord): CommitSummary['state'] => {
  if (problems !== null) return 'rejected';
  if (enforced !== null) return 'enforced';
  if (Object.keys(refused).length > 0) return 'refused';
  return superseded ? 'superseded' : 'inProgress';
};

/** Summary of a rollout for a list: the number of clusters at each step. */
export const summaryOf = (rollout: RolloutRecord): CommitSummary => {
  const { commit, verification, counts: policies, steps, noticed, enforced, watched } = rollout;
  return {
    commit,
    state: stateOf(rollout),
    verification,
    policies,
    clusters: {
      total: steps.total,
      offered: countReached(steps, 'offered'),
      accepted: countReached(steps, 'accepted'),
      proven: countReached(steps, 'proven'),
      refused: Object.keys(rollout.refused).length,
    },
    noticed,
    enforced,
    enforcementMs: enforced === null || !watched ? null : Date.parse(enforced) - Date.parse(noticed),
  };
};

/**
 * Full view of a rollout, with the times of each step in each cluster.
 *
 * @param plan id of the stored plan that predicted it
 */
export const activityOf = (rollout: RolloutRecord, plan: string | null = null): CommitActivity => {
  const start = Date.parse(rollout.noticed);
  const time = (at: number | null | undefined): string | null =>
    at === null || at === undefined ? null : new Date(start + at).toISOString();
  const clusterSteps = [...unpackSteps(rollout.steps)].map(([cluster, [offered, accepted, written, proven]]): ClusterSteps => {
    const refused = own(rollout.refused, cluster);
    return {
      cluster,
      offered: time(offered),
      accepted: time(accepted),
      written: time(written),
      proven: time(proven),
      refused: refused === undefined ? null : { time: new Date(start + refused.at).toISOString(), reasons: refused.reasons },
    };
  });
  return {
    ...summaryOf(rollout),
    hub: { noticed: rollout.watched ? rollout.noticed : null, ...rollout.hub },
    problems: rollout.problems ?? [],
    changes: rollout.changes,
    clusterSteps: clusterSteps.sort((left, right) => byText(left.cluster, right.cluster)),
    plan,
  };
};
