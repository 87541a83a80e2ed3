import type { IssueReport } from '@fso/shared/api';
import { type CsvCell, csvLine } from '@fso/shared/encoding';

const COLUMNS = ['issue', 'cluster', 'policy', 'namespace', 'kind', 'name', 'node', 'region', 'action', 'problem', 'since'] as const;
type Row = Partial<Record<(typeof COLUMNS)[number], CsvCell>>;

const line = (row: Row): string => csvLine(COLUMNS.map((column) => row[column]));

/** One table with a line for each issue; what does not apply is empty. */
export const issueCsv = ({ clusters, policies, violations, unnamedViolations, omitted }: IssueReport): string => {
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
