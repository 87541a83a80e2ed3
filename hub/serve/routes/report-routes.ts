import { IssueList, IssueReport, ResourceName } from '@fso/shared/api';
import { z } from 'zod';
import { formatIssueHtml, ISSUE_HTML_POLICY } from '../export/issue-html.ts';
import { createIssueReport, formatIssueCsv } from '../export/issue-report.ts';
import { fileNameOf } from '../export/send-lines.ts';
import type { FleetDeps } from '../fleet/fleet-reader.ts';
import { jsonRoute, type Route, rawRoute, SCOPED_LIST, SCOPED_READ } from '../http/route.ts';
import type { IssueLister } from '../issues/issue-lister.ts';

/** Fleet and issues from which reports are built. */
export interface ReportDeps extends FleetDeps {
  readonly issues: IssueLister;
}

const IssueListQuery = z.strictObject({ cluster: ResourceName.optional().describe('What is wrong with this cluster alone.') });

const ISSUE_FORMATS = ['json', 'csv', 'html'] as const;

const IssueQuery = z.strictObject({
  format: z.enum(ISSUE_FORMATS).default('json').describe('csv: one table of all issues; html: a page to print.'),
});

interface Form {
  readonly type: string;
  readonly write: (report: IssueReport) => string;
  /** Disposition: a page is shown, other formats are saved. */
  readonly disposition: 'inline' | 'attachment';
}

const FORMS: Readonly<Record<(typeof ISSUE_FORMATS)[number], Form>> = {
  json: { type: 'json', write: (report) => JSON.stringify(report), disposition: 'attachment' },
  csv: { type: 'csv', write: formatIssueCsv, disposition: 'attachment' },
  html: { type: 'html', write: formatIssueHtml, disposition: 'inline' },
};

/** Routes of the current issues: grouped by cause, and as a report in three formats. */
export const reportRoutes: readonly Route<ReportDeps, 'scoped'>[] = [
  jsonRoute(
    {
      ...SCOPED_LIST,
      path: '/api/v1/issues',
      operationId: 'listIssues',
      summary: 'What is wrong now, by cause',
      description:
        'Causes and severities are those of alerts, which are made of issues that last. The report of issues has all of them one by one.',
      tag: 'alerts',
      query: IssueListQuery,
    },
    { schema: IssueList, description: 'Groups of issues with one cause and severity.' },
    ({ issues }, { query }) => issues.groups(query.cluster),
  ),
  rawRoute(
    {
      ...SCOPED_READ,
      path: '/api/v1/reports/issues',
      operationId: 'getIssueReport',
      summary: 'Everything that is wrong with the fleet',
      description: 'The same as JSON, CSV (RFC 4180) or a page of HTML. It includes the last report of an unreachable cluster.',
      tag: 'policies',
      slots: 'heavy',
      query: IssueQuery,
    },
    { schema: IssueReport, description: 'The report, as of now.' },
    async ({ fleet }, { query: { format } }, res) => {
      const source = await fleet.readSource();
      const report = createIssueReport(await fleet.read(), source, fleet.now());
      const { type, write, disposition } = FORMS[format];
      if (format === 'html') res.setHeader('Content-Security-Policy', ISSUE_HTML_POLICY);
      res.setHeader('Content-Disposition', `${disposition}; filename="${fileNameOf('issues', report.generatedAt, format)}"`);
      res.type(type).send(write(report));
    },
  ),
];
