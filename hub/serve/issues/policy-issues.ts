import {
  ALERT_RULES,
  type AlertLabels,
  type AlertName,
  CONDITIONS,
  type EnforcementAction,
  isNamespaceMissing,
  type LockState,
  type PolicyReport,
} from '@fso/shared/api';
import { isExpired, isExpiring } from '@fso/shared/residency';
import { weakMemo } from '@fso/shared/runtime';
import { countTried, describeRisks, describeViolations, type NamedPolicy } from '@fso/shared/status';
import type { Issue } from '../../alerts/index.ts';
import { ClusterPolicies, type ClusterRecord, type Desired, namedIn, teamsOf } from '../../ledger/index.ts';
import { actionIn, type ClusterEntry, samplesOf } from '../fleet/cluster-entry.ts';
import type { Fleet } from '../fleet/fleet-index.ts';
import { isKnown } from '../fleet/phases.ts';
import type { PolicyEntry } from '../fleet/policy-entry.ts';
import { isConflicting } from '../fleet/policy-tally.ts';
import { clusterLabels } from './cluster-issues.ts';

type Finding = Pick<Issue, 'alert' | 'problem' | 'since' | 'count'>;

/** Shared by most policies, which have no findings. */
const NONE: readonly Finding[] = [];
const NO_ISSUES: readonly Issue[] = [];

const unreadySince = ({ conditions, lastUpdated }: PolicyReport): string | null =>
  conditions.find(({ type }) => type === CONDITIONS.ready)?.lastTransitionTime ?? lastUpdated ?? null;

const failureOf = (report: PolicyReport): Finding[] => {
  const { phase, message } = report;
  if (phase !== 'Failed') return [];
  return [{ alert: 'PolicyNotEnforced', problem: message === '' ? 'Failed.' : `Failed: ${message}`, since: unreadySince(report) }];
};

const conflictOf = (report: PolicyReport): Finding[] =>
  report.conditions
    .filter((condition) => isConflicting({ conditions: [condition] }))
    .map(({ message, lastTransitionTime: since = null }) => ({ alert: 'PolicyConflict', problem: `In conflict: ${message}`, since }));

const ambiguityOf = (report: PolicyReport): Finding[] =>
  report.conditions
    .filter(({ type, status }) => type === CONDITIONS.regionAmbiguous && status === 'True')
    .map(({ message, lastTransitionTime: since = null }) => ({ alert: 'RegionAmbiguous', problem: `Regions left out: ${message}`, since }));

const LOCK_NAMES = [
  ['admission', 'Lock 1 at admission'],
  ['binding', 'Lock 1 at the bind gate'],
  ['gatekeeper', 'Lock 2'],
] as const;
const NOT_HELD: readonly LockState[] = ['Degraded', 'Unavailable'];

const locksOf = ({ enforcement }: PolicyReport): Finding[] =>
  LOCK_NAMES.flatMap(([lock, name]): Finding[] => {
    const { state, since = null, message } = enforcement[lock];
    if (!NOT_HELD.includes(state)) return [];
    return [{ alert: 'PolicyLockDegraded', problem: `${name} is ${state}${message === undefined ? '.' : `: ${message}`}`, since }];
  });

/**
 * Returns the finding of a pending policy. Its time is the earliest at which a lock began to wait
 * for its proof, or else the time at which the policy became unready.
 */
const pendingOf = (report: PolicyReport): Finding[] => {
  const { phase, message, enforcement } = report;
  if (phase !== 'Pending') return [];
  const waiting = LOCK_NAMES.flatMap(([lock]) => (enforcement[lock].state === 'Pending' ? (enforcement[lock].since ?? []) : []));
  const [since = unreadySince(report)] = waiting.sort((a, b) => Date.parse(a) - Date.parse(b));
  return [{ alert: 'PolicyNotProven', problem: message === '' ? 'Pending.' : `Pending: ${message}`, since }];
};

const violationsOf = ({ violations, violationSamples: [first] }: Pick<PolicyReport, 'violations' | 'violationSamples'>): Finding[] => {
  if (violations === 0) return [];
  const named = first === undefined ? '' : `: ${first.kind} ${first.namespace}/${first.name}: ${first.reason}`;
  return [{ alert: 'Violations', problem: `${describeViolations(violations)}${named}`, since: first?.since ?? null, count: violations }];
};

/**
 * Returns the finding of owners whose next pods will be refused. Two kinds are left out: pending
 * owners may only wait for a node, and a webhook may fix the pods of owners without a dry run yet,
 * as after a change of the agent's leader.
 */
const risksOf = ({ risks }: Pick<NamedPolicy, 'risks'>): readonly Finding[] => {
  const refused = risks === undefined ? 0 : countTried(risks);
  if (risks === undefined || refused === 0) return NONE;
  const text = describeRisks({ ...risks, refused });
  return [{ alert: 'RisksAppeared', problem: `If everything restarted now: ${text}.`, since: null, count: refused }];
};

/**
 * Returns the findings of failures and pending proofs. A policy whose namespace is missing has
 * nothing to enforce, which is fine in a single cluster. Its author sees a local one;
 * {@link listPolicyIssues} covers those of the hub.
 */
const unprovenOf = (report: PolicyReport): Finding[] => (isNamespaceMissing(report) ? [] : [...failureOf(report), ...pendingOf(report)]);

const findingsOf = weakMemo((report: PolicyReport): readonly Finding[] => [
  ...unprovenOf(report),
  ...conflictOf(report),
  ...ambiguityOf(report),
  ...locksOf(report),
]);

/** Team label of a policy. Local policies, and those without the label, have none. */
const teamLabel = (desired: Desired | null, policy: string): Pick<AlertLabels, 'team'> => {
  const team = desired === null ? undefined : teamsOf(desired).get(policy);
  return team === undefined ? {} : { team };
};

const severityOf = (alert: AlertName, action: EnforcementAction): Issue['severity'] =>
  alert === 'Violations' && action !== 'deny' ? 'warning' : ALERT_RULES[alert].severity;

/** Reason why the cluster reports nothing of a policy that it should have. */
const unreportedText = ({ baseline, policies }: ClusterRecord): string => {
  const text = 'Meant for this cluster, which has reported nothing of it yet';
  const isListUnknown = baseline !== null && !(policies instanceof ClusterPolicies);
  return isListUnknown ? `${text}: the hub does not know the list of policies that its agent names, and has asked for it.` : `${text}.`;
};

/** Cluster, with the labels that all issues of its policies have. */
interface Place {
  readonly entry: ClusterEntry;
  readonly labels: AlertLabels;
}

const placeOf = (entry: ClusterEntry): Place => {
  // The team of a policy's issue is that of the policy.
  const { team: _ofCluster, ...labels } = clusterLabels(entry);
  return { entry, labels };
};

const labelsOf = ({ entry, labels }: Place, policy: string): AlertLabels => ({ ...labels, policy, ...teamLabel(entry.desired, policy) });

/** Issues of a policy that is reported by name. */
const issuesOf = (place: Place, policy: string, namedPolicy: NamedPolicy): readonly Issue[] => {
  const { record, meant } = place.entry;
  const report = record.policies.get(policy);
  if (report === undefined) return NO_ISSUES;
  const { violations } = report;
  const named = violations === 0 ? NONE : violationsOf({ violations, violationSamples: samplesOf(record, policy) });
  const risks = risksOf(namedPolicy);
  const ofReport = findingsOf(report);
  if (ofReport.length + named.length + risks.length === 0) return NO_ISSUES;
  const labels = labelsOf(place, policy);
  const action = actionIn(meant, policy, report);
  const isCurrent = isKnown(record);
  return [...ofReport, ...named, ...risks].map((finding) => ({
    ...finding,
    severity: severityOf(finding.alert, action),
    labels,
    isCurrent,
  }));
};

/** Issues of policies that a cluster should have but does not report. */
const unreported = (place: Place): readonly Issue[] => {
  const { record, meant } = place.entry;
  return meant.flatMap(({ name: policy }): Issue | readonly Issue[] => {
    if (record.policies.has(policy)) return NO_ISSUES;
    return {
      alert: 'PolicyNotProven',
      severity: ALERT_RULES.PolicyNotProven.severity,
      labels: labelsOf(place, policy),
      problem: unreportedText(record),
      since: null,
      isCurrent: isKnown(record),
    };
  });
};

/**
 * Lists the issues of a cluster's policies, in a fixed order per policy. Conforming policies have
 * none. A lock that the cluster cannot have is an issue of the cluster, listed once.
 */
export const listClusterPolicyIssues = (entry: ClusterEntry): readonly Issue[] => {
  const { record, phases } = entry;
  const named = namedIn(record.policies);
  // Each policy that the cluster should have or reports is counted in exactly one phase.
  const isComplete = phases.total === record.policies.size;
  if (named.size === 0 && isComplete) return NO_ISSUES;
  const place = placeOf(entry);
  const issues: Issue[] = [];
  for (const [policy, namedPolicy] of named) issues.push(...issuesOf(place, policy, namedPolicy));
  return isComplete ? issues : [...issues, ...unreported(place)];
};

const expiryOf = ({ head }: PolicyEntry, nowMs: number): Finding[] => {
  const { expiryDate } = head() ?? {};
  if (expiryDate === undefined) return [];
  if (isExpiring(expiryDate, nowMs)) return [{ alert: 'PolicyExpiring', problem: `Expires at ${expiryDate}.`, since: null }];
  return isExpired(expiryDate, nowMs) ? [{ alert: 'PolicyExpired', problem: 'Expired: it no longer governs.', since: expiryDate }] : [];
};

/** Names of the policies that any cluster should have. */
const meantOf = weakMemo(
  ({ clusters }: Desired): ReadonlySet<string> => new Set([...new Set(clusters.values())].flatMap((list) => list.map(({ name }) => name))),
);

/**
 * Returns the finding of a policy that governs no namespace anywhere: the last reports of all
 * clusters that should have it, or still have it, say so. There is none if a cluster has not
 * reported yet, if its list is unknown, or if it is disconnected and had the namespace, because it
 * may have it now. If all clusters are in an unknown state, the finding is as of their last
 * reports.
 *
 * Clusters are not named, because a user who sees the policy may not see all of them.
 */
const missingOf = ({ key, head, tally }: PolicyEntry, fleet: Fleet): (Finding & Pick<Issue, 'isCurrent'>)[] => {
  const desired = fleet.desired();
  const { known, old } = tally.missing;
  if (known + old === 0 || known + old < tally.phases.total || desired === null || !meantOf(desired).has(key)) return [];
  if (!fleet.isWholeFor(key)) return [];
  const problem = `No cluster has a namespace for it: all that are meant to have it wait for ${head()?.targetNamespace}.`;
  return [{ alert: 'PolicyNotProven', problem, since: null, isCurrent: known > 0 }];
};

/** Lists the issues of policies across the fleet. @param nowMs time for expiry */
export const listPolicyIssues = (fleet: Fleet, nowMs: number): Issue[] =>
  fleet.policies().flatMap((policy) =>
    [...expiryOf(policy, nowMs), ...missingOf(policy, fleet)].map((finding) => ({
      isCurrent: true,
      ...finding,
      severity: ALERT_RULES[finding.alert].severity,
      labels: { policy: policy.key, ...teamLabel(fleet.desired(), policy.key) },
    })),
  );
