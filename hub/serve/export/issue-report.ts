import type { IssueReport, SourceView } from '@fso/shared/api';
import { byText, type CsvCell, csvLine } from '@fso/shared/encoding';
import type { Issue } from '../../alerts/index.ts';
import type { Fleet } from '../fleet/fleet-index.ts';
import { listClusterIssues } from '../issues/cluster-issues.ts';
import { listSourceIssues } from '../issues/hub-issues.ts';
import { isListed } from '../issues/issue-groups.ts';
import { listClusterPolicyIssues, listPolicyIssues } from '../issues/policy-issues.ts';
import { MAX_REPORT_ITEMS } from './send-lines.ts';

type PolicyIssue = IssueReport['policies'][number];

const rowOf = ({ alert, severity, problem, since }: Issue): IssueReport['hub'][number] => ({ alert, severity, problem, since });

const policyIssues = (fleet: Fleet, nowMs: number): PolicyIssue[] => {
  return (
    [...listPolicyIssues(fleet, nowMs), ...fleet.members().flatMap(listClusterPolicyIssues)]
      // Violations are listed one by one elsewhere in the report.
      .filter((issue) => isListed(issue) && issue.alert !== 'Violations')
      .map((issue) => ({ policy: issue.labels.policy ?? '', cluster: issue.labels.cluster ?? null, ...rowOf(issue) }))
      .sort((a, b) => byText(a.policy, b.policy) || byText(a.cluster ?? '', b.cluster ?? ''))
  );
};

const listed = <T>(issues: Iterable<T>): { readonly items: T[]; readonly omitted: number } => {
  const items: T[] = [];
  let omitted = 0;
  for (const issue of issues) {
    if (items.length < MAX_REPORT_ITEMS) items.push(issue);
    else omitted += 1;
  }
  return { items, omitted };
};

/** Builds the report of all issues of the fleet. @param now milliseconds since 1970 */
export const createIssueReport = (fleet: Fleet, source: SourceView, now: number): IssueReport => {
  const named = fleet.violations();
  const clusters = listed(
    fleet.members().flatMap((entry) =>
      listClusterIssues(entry, now)
        .filter(isListed)
        .map((issue) => ({ cluster: entry.record.name, ...rowOf(issue) })),
    ),
  );
  const policies = listed(policyIssues(fleet, now));
  const counted = fleet.members().reduce((sum, { violations }) => sum + violations, 0);
  return {
    generatedAt: new Date(now).toISOString(),
    revision: fleet.desired()?.revision ?? null,
    hub: listSourceIssues(source).map(rowOf),
    clusters: clusters.items,
    policies: policies.items,
    violations: named.slice(0, MAX_REPORT_ITEMS).map(({ view }) => view),
    unnamedViolations: Math.max(0, counted - named.length),
    omitted: { clusters: clusters.omitted, policies: policies.omitted, violations: Math.max(0, named.length - MAX_REPORT_ITEMS) },
  };
};

const COLUMNS = [
  'issue',
  'cluster',
  'policy',
  'namespace',
  'kind',
  'name',
  'node',
  'region',
  'action',
  'problem',
  'since',
  'alert',
  'severity',
] as const;
type Row = Partial<Record<(typeof COLUMNS)[number], CsvCell>>;

const line = (row: Row): string => csvLine(COLUMNS.map((column) => row[column]));

/**
 * Formats the report as one CSV table (RFC 4180), one line per issue. Columns that do not apply are
 * empty.
 */
export const formatIssueCsv = ({ hub, clusters, policies, violations, unnamedViolations, omitted }: IssueReport): string => {
  const unnamed: Row = { issue: 'violation', problem: `${unnamedViolations} more are counted, but not named by the agents.` };
  const more = (['clusters', 'policies', 'violations'] as const).filter((kind) => omitted[kind] > 0);
  return [
    csvLine(COLUMNS),
    ...hub.map((issue) => line({ issue: 'hub', ...issue })),
    ...clusters.map((issue) => line({ issue: 'cluster', ...issue })),
    ...policies.map((issue) => line({ issue: 'policy', ...issue })),
    ...violations.map(({ reason, enforcementAction, ...rest }) =>
      line({ ...rest, issue: 'violation', action: enforcementAction, problem: reason }),
    ),
    ...more.map((kind) => line({ issue: kind, problem: `${omitted[kind]} more are not listed.` })),
    ...(unnamedViolations === 0 ? [] : [line(unnamed)]),
  ].join('');
};
