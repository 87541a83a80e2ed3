import { setImmediate as tick } from 'node:timers/promises';
import { type AgentClusterReport, type PolicyReport, policyKey } from '@fso/shared/api';
import { digestOfCluster, EMPTY_DIGEST, factsAfter, type Report, type ReportedState } from '@fso/shared/protocol';
import type { Clock } from '@fso/shared/runtime';
import { digestOfReports } from '../../../test/harness/baselines.ts';
import { policyReport } from '../../../test/harness/policy-reports.ts';
import type { AgentSnapshot } from '../../observe/index.ts';

export const TIME = '2026-01-01T00:00:00Z';

/** Creates the report of a policy. */
export const report = (name: string, violations = 0): PolicyReport => policyReport(name, { violations });

/** Keys reports by their policies. */
export const byKey = (reports: readonly PolicyReport[]): ReadonlyMap<string, PolicyReport> =>
  new Map(reports.map((each) => [policyKey(each), each]));

/** Creates what an agent observes that has these reports. */
export const snapshotOf = (reports: readonly PolicyReport[], proven = true, generation = 1): AgentSnapshot => ({
  policies: new Map(
    reports.map((each) => [policyKey(each), { report: each, generation, observedGeneration: generation, proven, violations: [] }]),
  ),
  cluster: { agentVersion: 'test', kubernetesVersion: 'v1', gatekeeper: { state: 'Absent' }, nodesByRegion: {}, conditions: [] },
});

/** Clock on which sleeps end at once: spacing between reports is not what its tests are about. */
export const INSTANT_CLOCK: Clock = {
  now: () => new Date(TIME),
  monotonicMs: () => 0,
  sleep: async (_ms, signal) => {
    await tick();
    signal.throwIfAborted();
  },
};

/** Returns what a hub knows once it has taken a report. */
export const replay = (
  known: ReadonlyMap<string, PolicyReport>,
  { full, policies, removed }: Pick<Report, 'full' | 'policies' | 'removed'>,
): ReadonlyMap<string, PolicyReport> => {
  const next = new Map(full ? [] : known);
  for (const each of policies) next.set(policyKey(each), each);
  for (const key of removed) next.delete(key);
  return next;
};

/** The welcome of a hub that knows nothing of the cluster. */
export const NOTHING: ReportedState = { seq: 0, policies: EMPTY_DIGEST, cluster: null, baseline: null };

/** Returns the state in the welcome of a hub that took these reports and no others. */
export const reportedBy = (taken: readonly Report[]): ReportedState => {
  let known: ReadonlyMap<string, PolicyReport> = new Map();
  for (const frame of taken) known = replay(known, frame);
  const cluster = taken.reduce<AgentClusterReport | null>(factsAfter, null);
  const seq = taken.at(-1)?.seq ?? 0;
  return {
    seq,
    policies: digestOfReports(known.values()),
    cluster: cluster === null ? null : digestOfCluster(cluster),
    baseline: null,
  };
};
