import { ALERT_RULES, type AlertLabels, type AlertName, CLOCK_SKEW_MS, CONDITIONS, RENEWAL_LATE_MS } from '@fso/shared/api';
import { notKeptText, shortRevision } from '@fso/shared/text';
import type { Issue } from '../../alerts/index.ts';
import { type ClusterRecord, HUB_PAUSE } from '../../ledger/index.ts';
import {
  acceptedRevision,
  type ClusterEntry,
  connectionOf,
  denialsKnownOf,
  LOCK_CONDITIONS,
  nackOf,
  revisionFor,
} from '../fleet/cluster-entry.ts';
import { countedIn } from '../fleet/findings/denial-lists.ts';
import { isKnown } from '../fleet/phases.ts';
import { problemText } from './hub-issues.ts';

type Finding = Omit<Issue, 'severity' | 'labels'>;
type Condition = NonNullable<ClusterRecord['report']>['conditions'][number];

/** Shared by most clusters, which have no findings. */
const NONE: readonly Finding[] = [];
const NO_ISSUES: readonly Issue[] = [];

const NO_COMMIT = 'no commit';

/**
 * Creates a finding that the hub observes itself, which is therefore current. Findings of an agent
 * are current only while it is connected and observes its cluster.
 */
const known = (alert: AlertName, problem: string, since: string | null): Finding => ({ alert, problem, since, isCurrent: true });

/**
 * Returns the finding of a cluster that is not observed. A pause of the hub is excluded, because it
 * is over before anyone could act.
 */
const observationIssue = ({ notObserved }: ClusterRecord): readonly Finding[] => {
  if (notObserved === null || notObserved.what.includes(HUB_PAUSE)) return NONE;
  const problem = `Not observed: its agent does not know how it is now. Out of date: ${notObserved.what.join(', ')}.`;
  return [known('ClusterNotObserved', problem, notObserved.since)];
};

const connectionIssue = ({ record }: ClusterEntry): readonly Finding[] => {
  switch (connectionOf(record)) {
    case 'Connected':
      return observationIssue(record);
    case 'Disconnected':
      return [known('ClusterAway', 'Not connected: what is known of it is as old as its last report.', record.lastSeen?.at ?? null)];
    case 'NeverSeen':
      return [known('ClusterNeverSeen', 'Never connected.', null)];
  }
};

/**
 * Whether a cluster has not accepted the commit that it should have. A disconnected cluster keeps
 * the commit that it accepted last.
 */
const isBehind = (entry: ClusterEntry): boolean =>
  connectionOf(entry.record) !== 'NeverSeen' && acceptedRevision(entry.record) !== revisionFor(entry);

/**
 * Text for an agent that waits for an approval. Names of approvers are only for those who see the
 * whole fleet.
 */
const describeHeld = ({ record }: ClusterEntry): string =>
  record.report?.held === undefined ? '' : ' Its agent waits for an approval: `fso rollout status` says for which.';

const registrationIssues = (entry: ClusterEntry): readonly Finding[] => {
  const { registration, desired, record, retired } = entry;
  // Registrations are unknown until the repository has been read.
  if (desired === null) return NONE;
  if (registration === undefined) {
    const counted = retired ? ' The fleet is counted without it; what is shown of it is its last report.' : '';
    return [known('ClusterUnregistered', `Not registered in Git, or no longer.${counted}`, null)];
  }
  if (!isBehind(entry)) return NONE;
  const held = describeHeld(entry);
  const problem = `Behind: it has ${shortRevision(acceptedRevision(record), NO_COMMIT)}, in force is ${shortRevision(revisionFor(entry), NO_COMMIT)}.${held}`;
  return [{ alert: 'ClusterBehind', problem, since: null, isCurrent: isKnown(record) }];
};

const refusalIssue = ({ record }: ClusterEntry): readonly Finding[] => {
  const nack = nackOf(record);
  if (nack === null) return NONE;
  const { revision, reasons, time } = nack;
  const problem = `Refused ${shortRevision(revision)}: ${reasons.map(problemText).join('; ')}`;
  return [{ ...known('CommitRefused', problem, time), revision }];
};

/** Returns the finding of a commit that the agent accepted although its signature is invalid. */
const verificationIssue = ({ record }: ClusterEntry): readonly Finding[] => {
  const { verification, verificationReason = 'the check of its signature failed', revision } = record.report ?? {};
  if (verification !== 'failed') return NONE;
  const problem = `Took ${shortRevision(revision)}: ${verificationReason}`;
  return [{ alert: 'RevisionNotTrusted', problem, since: null, isCurrent: isKnown(record), ...(revision != null && { revision }) }];
};

interface ConditionRule {
  readonly alert: AlertName;
  /** Status of the condition that is an issue. */
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

/** Returns the findings of the conditions reported last, also for disconnected clusters. */
const conditionIssues = ({ record }: ClusterEntry): readonly Finding[] => {
  const isCurrent = isKnown(record);
  const find = ({ type, status, reason, message, lastTransitionTime: since }: Condition): Finding | readonly Finding[] => {
    const rule = CONDITION_RULES.get(type);
    if (rule?.status !== status) return NONE;
    return { alert: rule.alert, problem: `${rule.text}: ${message === '' ? reason : message}`, since, isCurrent };
  };
  return record.report?.conditions.flatMap(find) ?? NONE;
};

const gatekeeperIssue = ({ record }: ClusterEntry): readonly Finding[] => {
  const { report } = record;
  if (report === null || report.gatekeeper.state === 'Ready') return NONE;
  const { state, message } = report.gatekeeper;
  const problem = `Gatekeeper is ${state}${message === undefined ? '.' : `: ${message}`}`;
  return [{ alert: 'GatekeeperNotReady', problem, since: null, isCurrent: isKnown(record) }];
};

const skewIssue = ({ record }: ClusterEntry): readonly Finding[] => {
  const clockSkewMs = record.report?.clockSkewMs ?? 0;
  if (Math.abs(clockSkewMs) < CLOCK_SKEW_MS) return NONE;
  const problem = `The clock of its agent is ${Math.round(Math.abs(clockSkewMs) / 1000)} s ${clockSkewMs > 0 ? 'ahead of' : 'behind'} the hub's.`;
  return [{ alert: 'ClockSkewed', problem, since: null, isCurrent: isKnown(record) }];
};

const nodesIssue = ({ record }: ClusterEntry): readonly Finding[] => {
  const count = record.report?.nodesByRegion[''] ?? 0;
  if (count === 0) return NONE;
  const problem = count === 1 ? '1 node has no region.' : `${count} nodes have no region.`;
  return [{ alert: 'NodesWithoutRegion', problem, since: null, isCurrent: isKnown(record), count }];
};

const certificateIssue = ({ record }: ClusterEntry, nowMs: number): readonly Finding[] => {
  const { certificateExpires: expires } = record.report ?? {};
  if (expires === undefined) return NONE;
  const leftMs = Date.parse(expires) - nowMs;
  if (leftMs >= RENEWAL_LATE_MS) return NONE;
  if (leftMs <= 0) return [known('CertificateExpiring', `The certificate of its agent expired at ${expires}.`, expires)];
  return [known('CertificateExpiring', `The certificate of its agent ends at ${expires} and should have been renewed.`, null)];
};

/**
 * Minimum number of refusals in ten minutes for a rise. A single owner that retries causes that
 * many.
 */
const LEAST_RECENT = 20;
/** Minutes of counting that are needed to compare the last ten minutes with the rest. */
const COMPARABLE_MINUTES = 20;

/**
 * Whether a rise of refusals cannot be determined: they are not counted, or the agent started
 * counting recently.
 */
export const isRiseUnknown = ({ record }: ClusterEntry): boolean =>
  denialsKnownOf(record) === 'Unknown' || (record.report?.denials?.minutes ?? COMPARABLE_MINUTES) < COMPARABLE_MINUTES;

/** Returns the finding that refusals are twice as frequent as within the hour. */
const denialsIssue = (entry: ClusterEntry): readonly Finding[] => {
  const counted = countedIn(entry);
  if (counted === undefined) return NONE;
  const { pods, recent, minutes, owners } = counted;
  if (pods === null || recent === null || recent < LEAST_RECENT || recent * minutes < 2 * 10 * pods) return NONE;
  const named = owners === 1 ? '1 owner is' : `${owners} owners are`;
  const problem = `Refused ${recent} pods within ten minutes, ${pods} within ${minutes} minutes; ${named} known.`;
  return [{ alert: 'DenialsRise', problem, since: null, isCurrent: true, count: recent }];
};

/** Returns the finding that the hub does not keep some policies of a cluster. */
const keepIssue = ({ record: { notKept } }: ClusterEntry): readonly Finding[] =>
  notKept === null ? NONE : [known('PoliciesNotKept', notKeptText(notKept), null)];

/** Labels of all issues of a cluster. */
export const clusterLabels = ({ record, registration }: ClusterEntry): AlertLabels => {
  const regions = registration?.spec.regions ?? [];
  const team = registration?.metadata.labels?.['team'];
  return {
    cluster: record.name,
    ...(regions.length === 0 ? {} : { region: regions.toSorted().join(',') }),
    ...(team === undefined ? {} : { team }),
  };
};

const issuesOf = (cluster: ClusterEntry, findings: readonly Finding[]): readonly Issue[] => {
  if (findings.length === 0) return NO_ISSUES;
  const labels = clusterLabels(cluster);
  return findings.map((finding) => ({ ...finding, severity: ALERT_RULES[finding.alert].severity, labels }));
};

/** Sources of findings that do not depend on the time, in listing order. */
const LASTING: readonly ((cluster: ClusterEntry) => readonly Finding[])[] = [
  connectionIssue,
  registrationIssues,
  refusalIssue,
  verificationIssue,
  conditionIssues,
  gatekeeperIssue,
  skewIssue,
  nodesIssue,
  denialsIssue,
  keepIssue,
];

/** Lists the issues of the cluster itself that do not depend on the time. */
export const listLastingIssues = (cluster: ClusterEntry): readonly Issue[] =>
  issuesOf(
    cluster,
    LASTING.flatMap((find) => find(cluster)),
  );

/**
 * Lists the issues of the cluster itself that depend on the time.
 *
 * @param nowMs milliseconds since 1970
 */
export const listTimedIssues = (cluster: ClusterEntry, nowMs: number): readonly Issue[] =>
  issuesOf(cluster, certificateIssue(cluster, nowMs));

/** Lists the issues of the cluster itself. @param nowMs time for the expiry of certificates */
export const listClusterIssues = (cluster: ClusterEntry, nowMs: number): Issue[] => [
  ...listLastingIssues(cluster),
  ...listTimedIssues(cluster, nowMs),
];
