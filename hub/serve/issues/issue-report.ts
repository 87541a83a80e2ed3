import { CONDITIONS, type IssueReport, type PolicyInCluster, type PolicyReport } from '@fso/shared/api';
import { byText } from '@fso/shared/compile';
import type { ClusterEntry } from '../fleet/cluster-entry.ts';
import type { Fleet } from '../fleet/fleet-index.ts';
import type { PolicyEntry } from '../fleet/policy-entry.ts';
import { isConflicting } from '../fleet/policy-tally.ts';
import { isExpiring } from '../fleet/status-view.ts';

type ClusterIssue = IssueReport['clusters'][number];
type PolicyIssue = IssueReport['policies'][number];
type Told = Pick<ClusterIssue, 'problem' | 'since'>;

/** Conditions of clusters about lock 1; lock 2 is Gatekeeper, which is told of beside them. */
const LOCKS: readonly string[] = [CONDITIONS.floorReady, CONDITIONS.guardReady];

const short = (revision: string | null | undefined): string => revision?.slice(0, 8) ?? 'no commit';

const connectionIssue = ({ view }: ClusterEntry): Told[] => {
  switch (view.connection) {
    case 'Connected':
      return [];
    case 'Disconnected':
      return [{ problem: 'Not connected: what is known of it is as old as its last report.', since: view.lastSeen }];
    case 'NeverSeen':
      return [{ problem: 'Never connected.', since: null }];
  }
};

const revisionIssues = ({ view, registration, desired }: ClusterEntry): Told[] => {
  const told: Told[] = [];
  if (registration === undefined) told.push({ problem: 'Not registered in Git, or no longer.', since: null });
  else if (view.connection === 'Connected' && !view.inSync)
    told.push({ problem: `Behind: it has ${short(view.revision)}, in force is ${short(desired?.revision)}.`, since: null });
  if (view.nack !== null) {
    const reasons = view.nack.reasons.map(({ path, reason }) => (path === undefined ? reason : `${path}: ${reason}`)).join('; ');
    told.push({ problem: `Refused ${short(view.nack.revision)}: ${reasons}`, since: view.nack.time });
  }
  return told;
};

/** As last reported, also of a cluster that is gone. */
const conditionIssues = ({ record: { report } }: ClusterEntry): Told[] =>
  (report?.conditions ?? []).flatMap(({ type, status, reason, message, lastTransitionTime }) => {
    const detail = message === '' ? reason : message;
    if (type === CONDITIONS.tampered && status === 'True') return [{ problem: `Tampered with: ${detail}`, since: lastTransitionTime }];
    return LOCKS.includes(type) && status === 'False' ? [{ problem: `${type} is False: ${detail}`, since: lastTransitionTime }] : [];
  });

const gatekeeperIssue = ({ record: { report } }: ClusterEntry): Told[] => {
  if (report === null || report.gatekeeper.state === 'Ready') return [];
  const { state, message } = report.gatekeeper;
  return [{ problem: `Gatekeeper is ${state}${message === undefined ? '.' : `: ${message}`}`, since: null }];
};

const clusterIssues = (cluster: ClusterEntry): ClusterIssue[] =>
  [...connectionIssue(cluster), ...revisionIssues(cluster), ...conditionIssues(cluster), ...gatekeeperIssue(cluster)].map((told) => ({
    cluster: cluster.record.name,
    ...told,
  }));

const failureOf = ({ phase, message, conditions, lastUpdated }: PolicyReport): Told[] => {
  if (phase !== 'Failed') return [];
  const ready = conditions.find(({ type }) => type === CONDITIONS.ready);
  return [{ problem: message === '' ? 'Failed.' : `Failed: ${message}`, since: ready?.lastTransitionTime ?? lastUpdated }];
};

const conflictOf = (report: PolicyReport): Told[] =>
  report.conditions
    .filter((condition) => isConflicting({ conditions: [condition] }))
    .map(({ message, lastTransitionTime }) => ({ problem: `In conflict: ${message}`, since: lastTransitionTime }));

const inCluster = (policy: string, { cluster, report }: PolicyInCluster): PolicyIssue[] =>
  report === null ? [] : [...failureOf(report), ...conflictOf(report)].map((told) => ({ policy, cluster, ...told }));

const expiryIssue = ({ key, head }: PolicyEntry, now: number): PolicyIssue[] => {
  const { expiryDate } = head() ?? {};
  if (expiryDate === undefined) return [];
  if (isExpiring({ expiryDate }, now)) return [{ policy: key, cluster: null, problem: `Expires at ${expiryDate}.`, since: null }];
  return Date.parse(expiryDate) <= now
    ? [{ policy: key, cluster: null, problem: 'Expired: it no longer governs.', since: expiryDate }]
    : [];
};

const policyIssues = (policy: PolicyEntry, now: number): PolicyIssue[] => {
  const { phases, conflicts } = policy.tally;
  const everywhere = expiryIssue(policy, now);
  // Most policies have nothing wrong in any cluster.
  if (phases.failed === 0 && conflicts === 0) return everywhere;
  const rows = [...policy.rows.values()].sort((a, b) => byText(a.cluster, b.cluster));
  return [...everywhere, ...rows.flatMap((row) => inCluster(policy.key, row))];
};

/** @param now ms since 1970 */
export const issueReport = (fleet: Fleet, now: number): IssueReport => {
  const named = fleet.violations();
  const counted = fleet.clusters().reduce((sum, { violations }) => sum + violations, 0);
  return {
    generatedAt: new Date(now).toISOString(),
    revision: fleet.desired()?.revision ?? null,
    clusters: fleet.clusters().flatMap(clusterIssues),
    policies: fleet.policies().flatMap((policy) => policyIssues(policy, now)),
    violations: named.map(({ view }) => view),
    unnamedViolations: Math.max(0, counted - named.length),
  };
};
