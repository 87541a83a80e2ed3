import { ALERT_NAMES, ALERT_RULES, ALERT_SEVERITIES, type AlertName, type AlertSeverity, type IssueGroup } from '@fso/shared/api';
import { weakMemo } from '@fso/shared/runtime';
import { type Issue, pageOfAlert } from '../../alerts/index.ts';
import type { ClusterEntry } from '../fleet/cluster-entry.ts';
import { listClusterPolicyIssues } from './policy-issues.ts';

/**
 * Alerts that say nothing about the present state of a disconnected cluster. Its disconnection is
 * listed instead.
 */
const TRANSIENT: ReadonlySet<AlertName> = new Set(['ClusterBehind', 'PolicyNotProven', 'PolicyLockDegraded']);

/** Whether an issue appears in the list of issues. */
export const isListed = ({ alert, isCurrent }: Issue): boolean => isCurrent || !TRANSIENT.has(alert);

/** Maximum number of issues of a group that are shown one by one. */
const SHOWN = 10;

/** Sum of issues with the same cause and severity. */
interface Sum {
  readonly name: AlertName;
  readonly severity: AlertSeverity;
  issues: number;
  /** Number of workloads or nodes, if issues count them. */
  items: number;
  since: string | null;
  readonly shown: Issue[];
}

interface Group extends Sum {
  readonly clusters: Set<string>;
  readonly policies: Set<string>;
}

/** Stored group. Lists take a fraction of the memory of sets. */
interface KeptGroup extends Readonly<Sum> {
  readonly clusters: readonly string[];
  readonly policies: readonly string[];
}

const older = (a: string | null, b: string | null): string | null => {
  if (a === null || b === null) return a ?? b;
  return Date.parse(a) <= Date.parse(b) ? a : b;
};

/**
 * Sums issues by cause and severity. The memory of a stored group is proportional to its names, not
 * its issues.
 */
export class IssueGroups {
  readonly #groups = new Map<string, Group>();

  addAll(issues: Iterable<Issue>): this {
    for (const issue of issues) if (isListed(issue)) this.#addIssue(issue);
    return this;
  }

  merge(kept: readonly KeptGroup[]): void {
    for (const { name, severity, issues, items, since, clusters, policies, shown } of kept) {
      const group = this.#groupOf(name, severity);
      group.issues += issues;
      group.items += items;
      group.since = older(group.since, since);
      for (const cluster of clusters) group.clusters.add(cluster);
      for (const policy of policies) group.policies.add(policy);
      group.shown.push(...shown.slice(0, SHOWN - group.shown.length));
    }
  }

  keep(): KeptGroup[] {
    return [...this.#groups.values()].map((group) => ({ ...group, clusters: [...group.clusters], policies: [...group.policies] }));
  }

  /** Returns the groups, the most severe first. @param severityOf overrides the default severity */
  views(severityOf: (name: AlertName) => AlertSeverity | undefined): IssueGroup[] {
    return [...this.#groups.values()]
      .map((group) => viewOf(group, severityOf(group.name) ?? group.severity))
      .sort(
        (a, b) =>
          ALERT_SEVERITIES.indexOf(a.severity) - ALERT_SEVERITIES.indexOf(b.severity) ||
          ALERT_NAMES.indexOf(a.name) - ALERT_NAMES.indexOf(b.name),
      );
  }

  #addIssue(issue: Issue): void {
    const { alert, severity, since, count = 0, labels } = issue;
    const group = this.#groupOf(alert, severity);
    group.issues += 1;
    group.items += count;
    group.since = older(group.since, since);
    if (labels.cluster !== undefined) group.clusters.add(labels.cluster);
    if (labels.policy !== undefined) group.policies.add(labels.policy);
    if (group.shown.length < SHOWN) group.shown.push(issue);
  }

  #groupOf(name: AlertName, severity: AlertSeverity): Group {
    const key = `${name} ${severity}`;
    const known = this.#groups.get(key);
    if (known !== undefined) return known;
    const group: Group = { name, severity, issues: 0, items: 0, since: null, clusters: new Set(), policies: new Set(), shown: [] };
    this.#groups.set(key, group);
    return group;
  }
}

/** Groups of the issues of a cluster's policies. Memoized per cluster entry. */
export const policyGroupsOf = weakMemo((entry: ClusterEntry) => new IssueGroups().addAll(listClusterPolicyIssues(entry)).keep());

/** Pages of the dashboard that list everything a group counts. */
const PAGES: Readonly<Partial<Record<AlertName, string>>> = {
  Tampered: '/clusters?tampered=true',
  ClusterAway: '/clusters?connection=Disconnected&sort=seen',
  ClusterNotObserved: '/clusters?observed=false',
  ClusterNeverSeen: '/clusters?connection=NeverSeen',
  ClusterBehind: '/clusters?inSync=false',
  CommitRefused: '/clusters?refusing=true',
  LockNotReady: '/clusters?locksReady=false',
  GatekeeperNotReady: '/clusters?locksReady=false',
  CertificateExpiring: '/clusters?sort=certificate',
  PolicyNotEnforced: '/policies?phase=Failed',
  PolicyNotProven: '/policies?phase=Pending',
  RisksAppeared: '/compliance/risks?risk=Refused',
  DenialsRise: '/compliance/denials',
  PolicyExpiring: '/policies?expiring=true&sort=expiry',
  PolicyExpired: '/policies?phase=Expired',
};

/** Whether a group has violations of denying policies, whose severity is higher. */
const isDenied = ({ name, severity }: Group): boolean => name === 'Violations' && severity === 'critical';

const pageOfOne = ({ alert: name, labels, revision }: Issue): string =>
  labels.cluster === undefined && revision !== undefined ? `/activity/${revision}` : pageOfAlert({ name, labels });

const pageOf = (group: Group): string => {
  const { name, issues, policies, shown } = group;
  const [first] = shown;
  if (issues === 1 && first !== undefined) return pageOfOne(first);
  if (name === 'Violations') return isDenied(group) ? '/compliance?action=deny' : '/compliance';
  return PAGES[name] ?? (policies.size > 0 ? '/policies' : '/clusters');
};

/** Returns `cluster eu` or `3 clusters`; undefined: none. */
const countText = (names: ReadonlySet<string>, one: string, many: string): string | undefined => {
  const [first] = names;
  return names.size > 1 ? `${names.size.toLocaleString('en')} ${many}` : first && `${one} ${first}`;
};

/** Returns the summary of a group, such as `Not enforced: 3 policies in cluster eu`. */
const summaryOf = (group: Group): string => {
  const { name, items, clusters, policies } = group;
  const title = `${ALERT_RULES[name].title}${isDenied(group) ? ' of policies that deny' : ''}`;
  const subject = [countText(policies, 'policy', 'policies'), countText(clusters, 'cluster', 'clusters')].filter(
    (part) => part !== undefined,
  );
  const counted = items === 0 ? title : `${title} (${items.toLocaleString('en')})`;
  return subject.length === 0 ? counted : `${counted}: ${subject.join(' in ')}`;
};

const viewOf = (group: Group, severity: AlertSeverity): IssueGroup => {
  const { name, since, issues: count, clusters, policies, shown } = group;
  return {
    name,
    severity,
    summary: summaryOf(group),
    remedy: ALERT_RULES[name].remedy,
    since,
    count,
    clusters: clusters.size,
    policies: policies.size,
    path: pageOf(group),
    issues: shown.map(({ labels, problem, since: from, isCurrent }) => ({
      cluster: labels.cluster ?? null,
      policy: labels.policy ?? null,
      problem,
      since: from,
      current: isCurrent,
    })),
  };
};
