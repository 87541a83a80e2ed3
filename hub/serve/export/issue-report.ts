import { CONDITIONS, type IssueReport, type LockState, type PolicyInCluster, type PolicyReport } from '@fso/shared/api';
import { byText, type CsvCell, csvLine } from '@fso/shared/encoding';
import { isExpired, isExpiring } from '@fso/shared/residency';
import { shortRevision } from '@fso/shared/text';
import { type ClusterEntry, LOCK_CONDITIONS } from '../fleet/cluster-entry.ts';
import type { Fleet } from '../fleet/fleet-index.ts';
import type { PolicyEntry } from '../fleet/policy-entry.ts';
import { isConflicting, type PolicyTally } from '../fleet/policy-tally.ts';

type ClusterIssue = IssueReport['clusters'][number];
type PolicyIssue = IssueReport['policies'][number];
type Finding = Pick<ClusterIssue, 'problem' | 'since'>;

const NO_COMMIT = 'no commit';

const connectionIssue = ({ view }: ClusterEntry): Finding[] => {
  switch (view.connection) {
    case 'Connected':
      return [];
    case 'Disconnected':
      return [{ problem: 'Not connected: what is known of it is as old as its last report.', since: view.lastSeen }];
    case 'NeverSeen':
      return [{ problem: 'Never connected.', since: null }];
  }
};

const revisionIssues = ({ view, registration, desired }: ClusterEntry): Finding[] => {
  const findings: Finding[] = [];
  if (registration === undefined) findings.push({ problem: 'Not registered in Git, or no longer.', since: null });
  else if (view.connection === 'Connected' && !view.inSync)
    findings.push({
      problem: `Behind: it has ${shortRevision(view.revision, NO_COMMIT)}, in force is ${shortRevision(desired?.revision, NO_COMMIT)}.`,
      since: null,
    });
  if (view.nack !== null) {
    const reasons = view.nack.reasons.map(({ path, reason }) => (path === undefined ? reason : `${path}: ${reason}`)).join('; ');
    findings.push({ problem: `Refused ${shortRevision(view.nack.revision)}: ${reasons}`, since: view.nack.time });
  }
  return findings;
};

/** As last reported, also of a cluster that is gone. */
const conditionIssues = ({ record: { report } }: ClusterEntry): Finding[] =>
  (report?.conditions ?? []).flatMap(({ type, status, reason, message, lastTransitionTime }) => {
    const detail = message === '' ? reason : message;
    if (type === CONDITIONS.tampered && status === 'True') return [{ problem: `Tampered with: ${detail}`, since: lastTransitionTime }];
    return LOCK_CONDITIONS.has(type) && status === 'False' ? [{ problem: `${type} is False: ${detail}`, since: lastTransitionTime }] : [];
  });

const gatekeeperIssue = ({ record: { report } }: ClusterEntry): Finding[] => {
  if (report === null || report.gatekeeper.state === 'Ready') return [];
  const { state, message } = report.gatekeeper;
  return [{ problem: `Gatekeeper is ${state}${message === undefined ? '.' : `: ${message}`}`, since: null }];
};

const clusterIssues = (cluster: ClusterEntry): ClusterIssue[] =>
  [...connectionIssue(cluster), ...revisionIssues(cluster), ...conditionIssues(cluster), ...gatekeeperIssue(cluster)].map((finding) => ({
    cluster: cluster.record.name,
    ...finding,
  }));

const unreadySince = ({ conditions, lastUpdated }: PolicyReport): string | null =>
  conditions.find(({ type }) => type === CONDITIONS.ready)?.lastTransitionTime ?? lastUpdated ?? null;

const failureOf = (report: PolicyReport): Finding[] => {
  const { phase, message } = report;
  return phase === 'Failed' ? [{ problem: message === '' ? 'Failed.' : `Failed: ${message}`, since: unreadySince(report) }] : [];
};

const conflictOf = (report: PolicyReport): Finding[] =>
  report.conditions
    .filter((condition) => isConflicting({ conditions: [condition] }))
    .map(({ message, lastTransitionTime }) => ({ problem: `In conflict: ${message}`, since: lastTransitionTime }));

const LOCK_NAMES = [
  ['admission', 'Lock 1 at admission'],
  ['binding', 'Lock 1 at the bind gate'],
  ['gatekeeper', 'Lock 2'],
] as const;
const NOT_HELD: readonly LockState[] = ['Degraded', 'Unavailable'];

const locksOf = ({ enforcement }: PolicyReport): Finding[] =>
  LOCK_NAMES.flatMap(([lock, name]) => {
    const { state, since = null, message } = enforcement[lock];
    return NOT_HELD.includes(state) ? [{ problem: `${name} is ${state}${message === undefined ? '.' : `: ${message}`}`, since }] : [];
  });

/** Since the first lock began to wait for its proof; where none does, as without the namespace, since the policy is not ready. */
const pendingOf = (report: PolicyReport): Finding[] => {
  const { phase, message, enforcement } = report;
  if (phase !== 'Pending') return [];
  const waiting = LOCK_NAMES.flatMap(([lock]) => (enforcement[lock].state === 'Pending' ? (enforcement[lock].since ?? []) : []));
  const [since = unreadySince(report)] = waiting.sort((a, b) => Date.parse(a) - Date.parse(b));
  return [{ problem: message === '' ? 'Pending.' : `Pending: ${message}`, since }];
};

/** What only a connected cluster can be asked for: one that is not is an issue of its own. */
const currentFindingsOf = (report: PolicyReport | null): Finding[] =>
  report === null
    ? [{ problem: 'Meant for this cluster, which has reported nothing of it yet.', since: null }]
    : [...pendingOf(report), ...locksOf(report)];

const findingsInCluster = (policy: string, { cluster, fresh, report }: PolicyInCluster): PolicyIssue[] => {
  const lasting = report === null ? [] : [...failureOf(report), ...conflictOf(report)];
  return [...lasting, ...(fresh ? currentFindingsOf(report) : [])].map((finding) => ({ policy, cluster, ...finding }));
};

const expiryIssue = ({ key, head }: PolicyEntry, now: number): PolicyIssue[] => {
  const { expiryDate } = head() ?? {};
  if (expiryDate === undefined) return [];
  if (isExpiring(expiryDate, now)) return [{ policy: key, cluster: null, problem: `Expires at ${expiryDate}.`, since: null }];
  return isExpired(expiryDate, now) ? [{ policy: key, cluster: null, problem: 'Expired: it no longer governs.', since: expiryDate }] : [];
};

const isQuiet = ({ phases, conflicts, locks }: PolicyTally): boolean =>
  phases.failed + phases.pending + conflicts === 0 && LOCK_NAMES.every(([lock]) => NOT_HELD.every((state) => !locks[lock][state]));

function* policyIssues(policies: readonly PolicyEntry[], now: number): Generator<PolicyIssue> {
  for (const policy of policies) {
    yield* expiryIssue(policy, now);
    // Most policies have nothing wrong in any cluster.
    if (isQuiet(policy.tally)) continue;
    const rows = policy.rows.all().toSorted((a, b) => byText(a.cluster, b.cluster));
    for (const row of rows) yield* findingsInCluster(policy.key, row);
  }
}

/** Issues of a kind that are listed: where more clusters and policies are in a bad way, it is for one reason that these show. */
const MAX_LISTED = 10_000;

const listed = <T>(issues: Iterable<T>): { readonly items: T[]; readonly omitted: number } => {
  const items: T[] = [];
  let omitted = 0;
  for (const issue of issues) {
    if (items.length < MAX_LISTED) items.push(issue);
    else omitted += 1;
  }
  return { items, omitted };
};

/** Everything that is wrong with the fleet. @param now ms since 1970 */
export const createIssueReport = (fleet: Fleet, now: number): IssueReport => {
  const named = fleet.violations();
  const clusters = listed(fleet.members().flatMap(clusterIssues));
  const policies = listed(policyIssues(fleet.policies(), now));
  const counted = fleet.members().reduce((sum, { violations }) => sum + violations, 0);
  return {
    generatedAt: new Date(now).toISOString(),
    revision: fleet.desired()?.revision ?? null,
    clusters: clusters.items,
    policies: policies.items,
    violations: named.slice(0, MAX_LISTED).map(({ view }) => view),
    unnamedViolations: Math.max(0, counted - named.length),
    omitted: { clusters: clusters.omitted, policies: policies.omitted, violations: Math.max(0, named.length - MAX_LISTED) },
  };
};

const COLUMNS = ['issue', 'cluster', 'policy', 'namespace', 'kind', 'name', 'node', 'region', 'action', 'problem', 'since'] as const;
type Row = Partial<Record<(typeof COLUMNS)[number], CsvCell>>;

const line = (row: Row): string => csvLine(COLUMNS.map((column) => row[column]));

/** The report as one CSV table (RFC 4180) with a line for each issue; columns that do not apply are empty. */
export const formatIssueCsv = ({ clusters, policies, violations, unnamedViolations, omitted }: IssueReport): string => {
  const unnamed: Row = { issue: 'violation', problem: `${unnamedViolations} more are counted, but not named by the agents.` };
  const more = (['clusters', 'policies', 'violations'] as const).filter((kind) => omitted[kind] > 0);
  return [
    csvLine(COLUMNS),
    ...clusters.map((issue) => line({ issue: 'cluster', ...issue })),
    ...policies.map((issue) => line({ issue: 'policy', ...issue })),
    ...violations.map(({ reason, enforcementAction, ...rest }) =>
      line({ ...rest, issue: 'violation', action: enforcementAction, problem: reason }),
    ),
    ...more.map((kind) => line({ issue: kind, problem: `${omitted[kind]} more are not listed.` })),
    ...(unnamedViolations === 0 ? [] : [line(unnamed)]),
  ].join('');
};
