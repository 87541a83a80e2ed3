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
import { describeViolations } from '@fso/shared/status';
import type { Issue } from '../../alerts/index.ts';
import { ClusterPolicies, type ClusterRecord, type Desired, keysBetween, namedIn } from '../../ledger/index.ts';
import { actionIn, type ClusterEntry, samplesOf } from '../fleet/cluster-entry.ts';
import type { Fleet } from '../fleet/fleet-index.ts';
import { isKnown } from '../fleet/phases.ts';
import type { PolicyEntry } from '../fleet/policy-entry.ts';
import { isConflicting } from '../fleet/policy-tally.ts';
import { clusterLabels } from './cluster-issues.ts';

type Finding = Pick<Issue, 'problem' | 'since'> & { readonly alert: AlertName };

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

/** Returns the time since when the first lock waits for its proof; where none does, since when the policy is not ready. */
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
  return [{ alert: 'Violations', problem: `${describeViolations(violations)}${named}`, since: first?.since ?? null }];
};

/**
 * Where its namespace is missing a policy has nothing to enforce, and that is in order in any one cluster. One that was applied there has an
 * author, who sees it; of one of the hub see {@link listPolicyIssues}.
 */
const unprovenOf = (report: PolicyReport): Finding[] => (isNamespaceMissing(report) ? [] : [...failureOf(report), ...pendingOf(report)]);

const findingsOf = weakMemo((report: PolicyReport): readonly Finding[] => [
  ...unprovenOf(report),
  ...conflictOf(report),
  ...locksOf(report),
]);

const isInOrder = (report: PolicyReport): boolean => report.violations === 0 && findingsOf(report).length === 0;

/** Reports of a cluster that say that something is wrong, by key. */
type Deviations = ReadonlyMap<string, PolicyReport>;
type Policies = ClusterRecord['policies'];

interface Known {
  readonly policies: Policies;
  readonly deviations: Deviations;
}

/**
 * Of a policy that conforms there is nothing to list: a lock that its cluster cannot have is wrong with the cluster, which says so once for all
 * policies.
 */
const listDeviations = weakMemo((policies: Policies): Deviations => {
  const found = [...namedIn(policies).keys()].flatMap((key): [string, PolicyReport][] => {
    const report = policies.get(key);
    return report === undefined || isInOrder(report) ? [] : [[key, report]];
  });
  return new Map(found);
});

/** Of a map that came from another one by few changes, only these are looked at. */
const deviationsAfter = (before: Known, policies: Policies): Deviations => {
  const deviations = new Map(before.deviations);
  const named = namedIn(policies);
  for (const key of keysBetween(before.policies, policies)) {
    const report = named.has(key) ? policies.get(key) : undefined;
    if (report === undefined || isInOrder(report)) deviations.delete(key);
    else deviations.set(key, report);
  }
  return deviations;
};

const teamsOf = weakMemo(
  ({ set }: Desired): ReadonlyMap<string, string> =>
    new Map(
      set.policies.flatMap(({ document: { metadata } }) => {
        const team = metadata.labels?.['team'];
        return team === undefined ? [] : [[metadata.name, team] as const];
      }),
    ),
);

/** The team of a policy; of one without the label, and of a local one, there is none. */
const teamLabel = (desired: Desired | null, policy: string): Pick<AlertLabels, 'team'> => {
  const team = desired === null ? undefined : teamsOf(desired).get(policy);
  return team === undefined ? {} : { team };
};

const severityOf = (alert: AlertName, action: EnforcementAction): Issue['severity'] =>
  alert === 'Violations' && action === 'deny' ? 'critical' : ALERT_RULES[alert].severity;

/** Why nothing is known of a policy that is meant for a cluster. */
const unreportedText = ({ baseline, policies }: ClusterRecord): string => {
  const text = 'Meant for this cluster, which has reported nothing of it yet';
  const isListUnknown = baseline !== null && !(policies instanceof ClusterPolicies);
  return isListUnknown ? `${text}: the hub does not know the list of policies that its agent names, and has asked for it.` : `${text}.`;
};

/** What is wrong with policies in clusters. Of a cluster that was looked at before, only the policies that changed are looked at. */
export class ClusterPolicyIssues {
  /** By cluster. */
  readonly #known = new Map<string, Known>();

  /** @returns by policy in no order; those of one policy in a fixed one */
  list(entry: ClusterEntry): readonly Issue[] {
    const { name, policies } = entry.record;
    const deviations = this.#deviationsOf(this.#known.get(name), policies);
    this.#known.set(name, { policies, deviations });
    return [...this.#deviating(entry, deviations), ...this.#unreported(entry)];
  }

  forget(cluster: string): void {
    this.#known.delete(cluster);
  }

  #deviationsOf(before: Known | undefined, policies: Policies): Deviations {
    if (before?.policies === policies) return before.deviations;
    return before === undefined ? listDeviations(policies) : deviationsAfter(before, policies);
  }

  *#deviating(entry: ClusterEntry, deviations: Deviations): Generator<Issue> {
    const { team: _ofCluster, ...place } = clusterLabels(entry);
    for (const [policy, report] of deviations) {
      const labels = { ...place, policy, ...teamLabel(entry.desired, policy) };
      const { violations } = report;
      const action = actionIn(entry.meant, policy, report);
      for (const finding of [...findingsOf(report), ...violationsOf({ violations, violationSamples: samplesOf(entry.record, policy) })])
        yield { ...finding, severity: severityOf(finding.alert, action), labels, isCurrent: isKnown(entry.record) };
    }
  }

  *#unreported(entry: ClusterEntry): Generator<Issue> {
    const { record, phases, meant, desired } = entry;
    // Every policy that a cluster is meant to have or reports is counted in one phase.
    if (phases.total === record.policies.size) return;
    const { team: _ofCluster, ...place } = clusterLabels(entry);
    for (const { name: policy } of meant) {
      if (record.policies.has(policy)) continue;
      yield {
        alert: 'PolicyNotProven',
        severity: ALERT_RULES.PolicyNotProven.severity,
        labels: { ...place, policy, ...teamLabel(desired, policy) },
        problem: unreportedText(record),
        since: null,
        isCurrent: isKnown(record),
      };
    }
  }
}

const expiryOf = ({ head }: PolicyEntry, nowMs: number): Finding[] => {
  const { expiryDate } = head() ?? {};
  if (expiryDate === undefined) return [];
  if (isExpiring(expiryDate, nowMs)) return [{ alert: 'PolicyExpiring', problem: `Expires at ${expiryDate}.`, since: null }];
  return isExpired(expiryDate, nowMs) ? [{ alert: 'PolicyExpired', problem: 'Expired: it no longer governs.', since: expiryDate }] : [];
};

/** Names of the policies that some cluster is meant to have. */
const meantOf = weakMemo(
  ({ clusters }: Desired): ReadonlySet<string> => new Set([...new Set(clusters.values())].flatMap((list) => list.map(({ name }) => name))),
);

/**
 * A policy that governs nowhere: each cluster that is meant to have it, or has it still, last said that. One that has said nothing yet, or of whose
 * list nothing is known, may have the namespace, and so may one that is away and had it. While none of them is known it is so as they last said.
 *
 * The clusters are not named: who sees the policy does not see each of them.
 */
const missingOf = ({ key, head, tally }: PolicyEntry, desired: Desired | null): (Finding & Pick<Issue, 'isCurrent'>)[] => {
  const { known, old } = tally.missing;
  if (known + old === 0 || known + old < tally.phases.total || desired === null || !meantOf(desired).has(key)) return [];
  const problem = `No cluster has a namespace for it: all that are meant to have it wait for ${head()?.targetNamespace}.`;
  return [{ alert: 'PolicyNotProven', problem, since: null, isCurrent: known > 0 }];
};

/** What is wrong with policies wherever they are. @param nowMs what expiry is compared with */
export const listPolicyIssues = (fleet: Fleet, nowMs: number): Issue[] =>
  fleet.policies().flatMap((policy) =>
    [...expiryOf(policy, nowMs), ...missingOf(policy, fleet.desired())].map((finding) => ({
      isCurrent: true,
      ...finding,
      severity: ALERT_RULES[finding.alert].severity,
      labels: { policy: policy.key, ...teamLabel(fleet.desired(), policy.key) },
    })),
  );
