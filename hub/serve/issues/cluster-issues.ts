import {
  ALERT_RULES,
  type AlertLabels,
  type AlertName,
  CLOCK_SKEW_MS,
  type ClusterView,
  CONDITIONS,
  RENEWAL_LATE_MS,
} from '@fso/shared/api';
import { notKeptText, shortRevision } from '@fso/shared/text';
import type { Issue } from '../../alerts/index.ts';
import { HUB_PAUSE } from '../../ledger/index.ts';
import { type ClusterEntry, denialsKnownOf, LOCK_CONDITIONS, revisionFor } from '../fleet/cluster-entry.ts';
import { countedIn } from '../fleet/findings/denial-lists.ts';
import { isKnown } from '../fleet/phases.ts';
import { problemText } from './hub-issues.ts';

type Finding = Omit<Issue, 'severity' | 'labels'>;

const NO_COMMIT = 'no commit';

/**
 * A finding that the hub itself observes and is thus current. Reports of the agent are current only
 * while it is connected and observes its cluster.
 */
const known = (alert: AlertName, problem: string, since: string | null): Finding => ({ alert, problem, since, isCurrent: true });

/** A pause of the hub itself is over before anyone could do something about it. */
const observationIssue = ({ notObserved }: ClusterView): Finding[] => {
  if (notObserved === null || notObserved.what.includes(HUB_PAUSE)) return [];
  const problem = `Not observed: its agent does not know how it is now. Out of date: ${notObserved.what.join(', ')}.`;
  return [known('ClusterNotObserved', problem, notObserved.since)];
};

const connectionIssue = ({ view }: ClusterEntry): Finding[] => {
  switch (view.connection) {
    case 'Connected':
      return observationIssue(view);
    case 'Disconnected':
      return [known('ClusterAway', 'Not connected: what is known of it is as old as its last report.', view.lastSeen)];
    case 'NeverSeen':
      return [known('ClusterNeverSeen', 'Never connected.', null)];
  }
};

/**
 * Whether a cluster has not accepted the revision that it is to have. A disconnected cluster keeps
 * the revision that it accepted last.
 */
const isBehind = (entry: ClusterEntry): boolean => entry.view.connection !== 'NeverSeen' && entry.view.revision !== revisionFor(entry);

/**
 * Says of an agent that waits for an approval that it does. Names of approvers are for those who
 * see the whole fleet.
 */
const describeHeld = ({ record }: ClusterEntry): string =>
  record.report?.held === undefined ? '' : ' Its agent waits for an approval: `fso rollout status` says for which.';

const registrationIssues = (entry: ClusterEntry): Finding[] => {
  const { view, registration, desired, record, retired } = entry;
  // Before the hub has read the repository it does not know who is registered.
  if (desired === null) return [];
  if (registration === undefined) {
    const counted = retired ? ' The fleet is counted without it; what is shown of it is its last report.' : '';
    return [known('ClusterUnregistered', `Not registered in Git, or no longer.${counted}`, null)];
  }
  if (!isBehind(entry)) return [];
  const held = describeHeld(entry);
  const problem = `Behind: it has ${shortRevision(view.revision, NO_COMMIT)}, in force is ${shortRevision(revisionFor(entry), NO_COMMIT)}.${held}`;
  return [{ alert: 'ClusterBehind', problem, since: null, isCurrent: isKnown(record) }];
};

const refusalIssue = ({ view: { nack } }: ClusterEntry): Finding[] => {
  if (nack === null) return [];
  const { revision, reasons, time } = nack;
  const problem = `Refused ${shortRevision(revision)}: ${reasons.map(problemText).join('; ')}`;
  return [{ ...known('CommitRefused', problem, time), revision }];
};

/** A commit that the agent took although its signature is bad. */
const verificationIssue = ({ record }: ClusterEntry): Finding[] => {
  const { verification, verificationReason = 'the check of its signature failed', revision } = record.report ?? {};
  if (verification !== 'failed') return [];
  const problem = `Took ${shortRevision(revision)}: ${verificationReason}`;
  return [{ alert: 'RevisionNotTrusted', problem, since: null, isCurrent: isKnown(record), ...(revision != null && { revision }) }];
};

interface ConditionRule {
  readonly alert: AlertName;
  /** Status that is an issue. */
  readonly status: 'True' | 'False';
  readonly text: string;
}

const CONDITION_RULES: ReadonlyMap<string, ConditionRule> = new Map<string, ConditionRule>([
  [CONDITIONS.tampered, { alert: 'Tampered', status: 'True', text: 'Tampered with' }],
  [CONDITIONS.nodesDisputed, { alert: 'NodesDisputed', status: 'True', text: 'Nodes in no region' }],
  ...[...LOCK_CONDITIONS].map((type): [string, ConditionRule] => [
    type,
    { alert: 'LockNotReady', status: 'False', text: `${type} is False` },
  ]),
]);

/** Issues from the conditions that were last reported, also of a cluster that is gone. */
const conditionIssues = ({ record }: ClusterEntry): Finding[] => {
  const isCurrent = isKnown(record);
  return (record.report?.conditions ?? []).flatMap(({ type, status, reason, message, lastTransitionTime: since }): Finding[] => {
    const rule = CONDITION_RULES.get(type);
    if (rule?.status !== status) return [];
    return [{ alert: rule.alert, problem: `${rule.text}: ${message === '' ? reason : message}`, since, isCurrent }];
  });
};

const gatekeeperIssue = ({ record }: ClusterEntry): Finding[] => {
  const { report } = record;
  if (report === null || report.gatekeeper.state === 'Ready') return [];
  const { state, message } = report.gatekeeper;
  const problem = `Gatekeeper is ${state}${message === undefined ? '.' : `: ${message}`}`;
  return [{ alert: 'GatekeeperNotReady', problem, since: null, isCurrent: isKnown(record) }];
};

const skewIssue = ({ record, view: { clockSkewMs } }: ClusterEntry): Finding[] => {
  if (clockSkewMs === null || Math.abs(clockSkewMs) < CLOCK_SKEW_MS) return [];
  const problem = `The clock of its agent is ${Math.round(Math.abs(clockSkewMs) / 1000)} s ${clockSkewMs > 0 ? 'ahead of' : 'behind'} the hub's.`;
  return [{ alert: 'ClockSkewed', problem, since: null, isCurrent: isKnown(record) }];
};

const nodesIssue = ({ record }: ClusterEntry): Finding[] => {
  const count = record.report?.nodesByRegion[''] ?? 0;
  if (count === 0) return [];
  const problem = count === 1 ? '1 node has no region.' : `${count} nodes have no region.`;
  return [{ alert: 'NodesWithoutRegion', problem, since: null, isCurrent: isKnown(record), count }];
};

const certificateIssue = ({ view: { certificateExpires: expires } }: ClusterEntry, nowMs: number): Finding[] => {
  const leftMs = expires === null ? Number.POSITIVE_INFINITY : Date.parse(expires) - nowMs;
  if (leftMs >= RENEWAL_LATE_MS) return [];
  if (leftMs <= 0) return [known('CertificateExpiring', `The certificate of its agent expired at ${expires}.`, expires)];
  return [known('CertificateExpiring', `The certificate of its agent ends at ${expires} and should have been renewed.`, null)];
};

/** Fewer refusals in ten minutes are no rise: one owner that is tried again has as many. */
const LEAST_RECENT = 20;
/** Minutes for which they are counted before ten of them can be twice as fast. */
const COMPARABLE_MINUTES = 20;

/**
 * Whether it is not known if refusals rise: nobody counts them, or an agent began to, which says
 * nothing about what the one before it saw.
 */
export const isRiseUnknown = ({ record }: ClusterEntry): boolean =>
  denialsKnownOf(record) === 'Unknown' || (record.report?.denials?.minutes ?? COMPARABLE_MINUTES) < COMPARABLE_MINUTES;

/** Refusals that come twice as fast as within the hour. */
const denialsIssue = (entry: ClusterEntry): Finding[] => {
  const { pods, recent, minutes, owners } = countedIn(entry) ?? { pods: null, recent: null, minutes: 0, owners: 0 };
  if (pods === null || recent === null || recent < LEAST_RECENT || recent * minutes < 2 * 10 * pods) return [];
  const named = owners === 1 ? '1 owner is' : `${owners} owners are`;
  const problem = `Refused ${recent} pods within ten minutes, ${pods} within ${minutes} minutes; ${named} known.`;
  return [{ alert: 'DenialsRise', problem, since: null, isCurrent: true, count: recent }];
};

/** Policies of a cluster that the hub does not keep. */
const keepIssue = ({ view: { notKept } }: ClusterEntry): Finding[] =>
  notKept === null ? [] : [known('PoliciesNotKept', notKeptText(notKept), null)];

/** Labels of everything that is wrong in a cluster. */
export const clusterLabels = ({ record, view }: ClusterEntry): AlertLabels => {
  const team = view.labels['team'];
  return {
    cluster: record.name,
    ...(view.regions.length === 0 ? {} : { region: view.regions.toSorted().join(',') }),
    ...(team === undefined ? {} : { team }),
  };
};

const issuesOf = (cluster: ClusterEntry, findings: readonly Finding[]): Issue[] => {
  if (findings.length === 0) return [];
  const labels = clusterLabels(cluster);
  return findings.map((finding) => ({ ...finding, severity: ALERT_RULES[finding.alert].severity, labels }));
};

/** Lists the issues of a cluster itself that do not depend on the time. */
export const listLastingIssues = (cluster: ClusterEntry): Issue[] =>
  issuesOf(cluster, [
    ...connectionIssue(cluster),
    ...registrationIssues(cluster),
    ...refusalIssue(cluster),
    ...verificationIssue(cluster),
    ...conditionIssues(cluster),
    ...gatekeeperIssue(cluster),
    ...skewIssue(cluster),
    ...nodesIssue(cluster),
    ...denialsIssue(cluster),
    ...keepIssue(cluster),
  ]);

/** Lists the issues of a cluster itself that come by themselves. @param nowMs since 1970 */
export const listTimedIssues = (cluster: ClusterEntry, nowMs: number): Issue[] => issuesOf(cluster, certificateIssue(cluster, nowMs));

/** Lists the issues of a cluster itself. @param nowMs time that certificates are compared with */
export const listClusterIssues = (cluster: ClusterEntry, nowMs: number): Issue[] => [
  ...listLastingIssues(cluster),
  ...listTimedIssues(cluster, nowMs),
];
