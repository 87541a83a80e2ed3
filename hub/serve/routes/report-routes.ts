import { IssueReport } from '@fso/shared/api';
import { z } from 'zod';
import { formatIssueHtml, ISSUE_HTML_POLICY } from '../export/issue-html.ts';
import { createIssueReport, formatIssueCsv } from '../export/issue-report.ts';
import type { FleetDeps } from '../fleet/fleet-reader.ts';
import { type Route, rawRoute } from '../http/route.ts';

const ISSUE_FORMATS = ['json', 'csv', 'html'] as const;

const IssueQuery = z.strictObject({
  format: z.enum(ISSUE_FORMATS).default('json').describe('csv: one table of all issues; html: a page to print.'),
});

interface Form {
  readonly type: string;
  readonly write: (report: IssueReport) => string;
  /** A page is shown, the others are saved. */
  readonly disposition: 'inline' | 'attachment';
}

const FORMS: Readonly<Record<(typeof ISSUE_FORMATS)[number], Form>> = {
  json: { type: 'json', write: (report) => JSON.stringify(report), disposition: 'attachment' },
  csv: { type: 'csv', write: formatIssueCsv, disposition: 'attachment' },
  html: { type: 'html', write: formatIssueHtml, disposition: 'inline' },
};

/** `fso-issues-20260103T103000Z.csv` */
const fileName = ({ generatedAt }: IssueReport, format: string): string =>
  `fso-issues-${generatedAt.replace(/\.\d+/, '').replaceAll(/[-:]/g, '')}.${format}`;

/** The report of issues, in three formats. */
export const reportRoutes: readonly Route<FleetDeps>[] = [
  rawRoute(
    {
      method: 'get',
      path: '/api/v1/reports/issues',
      operationId: 'getIssueReport',
      summary: 'Everything that is wrong with the fleet',
      description: 'The same as JSON, CSV (RFC 4180) or a page of HTML. It includes the last report of an unreachable cluster.',
      tag: 'policies',
      access: 'viewer',
      scope: 'scoped',
      slots: 'heavy',
      query: IssueQuery,
    },
    { schema: IssueReport, description: 'The report, as of now.' },
    async ({ fleet }, { query: { format } }, res) => {
      const source = await fleet.readSource();
      const report = createIssueReport(await fleet.read(), source, fleet.now());
      const { type, write, disposition } = FORMS[format];
      if (format === 'html') res.setHeader('Content-Security-Policy', ISSUE_HTML_POLICY);
      res.setHeader('Content-Disposition', `${disposition}; filename="${fileName(report, format)}"`);
      res.type(type).send(write(report));
    },
  ),
];
