import type { ClusterSteps, CommitActivity, CommitSummary } from '@fso/shared/api';
import { byText } from '@fso/shared/encoding';
import { own, STEPS, type Step, type StoredVisit } from './rollout-record.ts';

/** What the API shows of a visit. Pure. */

const stateOf = ({ problems, enforced, refused, superseded }: StoredVisit): CommitSummary['state'] => {
  if (problems !== null) return 'rejected';
  if (enforced !== null) return 'enforced';
  if (Object.keys(refused).length > 0) return 'refused';
  return superseded ? 'superseded' : 'inProgress';
};

export const summaryOf = (visit: StoredVisit): CommitSummary => {
  const clusters = Object.values(visit.clusters);
  const count = (step: Step): number => clusters.filter((steps) => (steps[STEPS.indexOf(step)] ?? null) !== null).length;
  const { commit, verification, counts: policies, noticed, enforced, watched } = visit;
  return {
    commit,
    state: stateOf(visit),
    verification,
    policies,
    clusters: {
      total: clusters.length,
      offered: count('offered'),
      accepted: count('accepted'),
      proven: count('proven'),
      refused: Object.keys(visit.refused).length,
    },
    noticed,
    enforced,
    enforcementMs: enforced === null || !watched ? null : Date.parse(enforced) - Date.parse(noticed),
  };
};

export const activityOf = (visit: StoredVisit): CommitActivity => {
  const start = Date.parse(visit.noticed);
  const time = (at: number | null | undefined): string | null =>
    at === null || at === undefined ? null : new Date(start + at).toISOString();
  const clusterSteps = Object.entries(visit.clusters).map(([cluster, [offered, accepted, written, proven]]): ClusterSteps => {
    const refused = own(visit.refused, cluster);
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
    ...summaryOf(visit),
    hub: { noticed: visit.watched ? visit.noticed : null, ...visit.hub },
    problems: visit.problems ?? [],
    changes: visit.changes,
    clusterSteps: clusterSteps.sort((left, right) => byText(left.cluster, right.cluster)),
  };
};
