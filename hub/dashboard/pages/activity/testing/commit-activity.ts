import type { ClusterSteps, CommitActivity } from '@fso/shared/api';

const START = Date.parse('2026-01-03T10:30:00.000Z');
export const NOTICED: string = new Date(START).toISOString();
/** @param ms milliseconds since the commit was noticed */
export const at = (ms: number): string => new Date(START + ms).toISOString();

type Times = readonly [offered?: number | undefined, accepted?: number, written?: number, proven?: number];

const timeOf = (ms: number | undefined): string | null => (ms === undefined ? null : at(ms));

/** @param times milliseconds since the commit was noticed */
export const stepsIn = (cluster: string, times: Times, refused: ClusterSteps['refused'] = null): ClusterSteps => {
  const [offered, accepted, written, proven] = times;
  return {
    cluster,
    offered: timeOf(offered),
    accepted: timeOf(accepted),
    written: timeOf(written),
    proven: timeOf(proven),
    refused,
  };
};

export const commitActivity = (clusterSteps: ClusterSteps[], change: Partial<CommitActivity> = {}): CommitActivity => ({
  commit: { revision: 'a1'.repeat(20), author: 'Ada', subject: 'Keep finance in the EU', time: NOTICED },
  state: 'inProgress',
  verification: { state: 'verified' },
  policies: { added: 1, changed: 0, removed: 0 },
  clusters: { total: clusterSteps.length, offered: 0, accepted: 0, proven: 0, refused: 0 },
  noticed: NOTICED,
  enforced: null,
  enforcementMs: null,
  hub: { noticed: NOTICED, fetched: at(80), judged: at(100), compiled: at(140), released: at(110) },
  problems: [],
  changes: { added: ['finance-eu'], changed: [], removed: [] },
  clusterSteps,
  plan: null,
  ...change,
});
