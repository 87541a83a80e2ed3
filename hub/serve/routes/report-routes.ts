import { IssueReport } from '@fso/shared/api';
import { z } from 'zod';
import { issueCsv } from '../export/issue-csv.ts';
import { ISSUE_HTML_POLICY, issueHtml } from '../export/issue-html.ts';
import { issueReport } from '../export/issue-report.ts';
import { type Route, rawRoute } from '../http/route.ts';
import { fleetOf, nowOf } from '../queries.ts';

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
  csv: { type: 'csv', write: issueCsv, disposition: 'attachment' },
  html: { type: 'html', write: issueHtml, disposition: 'inline' },
};

/** `fso-issues-20260103T103000Z.csv` */
const fileName = ({ generatedAt }: IssueReport, format: string): string =>
  `fso-issues-${generatedAt.replace(/\.\d+/, '').replaceAll(/[-:]/g, '')}.${format}`;

export const reportRoutes: readonly Route[] = [
  rawRoute(
    {
      method: 'get',
      path: '/api/v1/reports/issues',
      operationId: 'getIssueReport',
      summary: 'Everything that is not as it should be',
      description: 'The same as JSON, CSV (RFC 4180) or a page of HTML. What an unreachable cluster last reported stays in it.',
      tag: 'policies',
      access: 'viewer',
      slots: 'heavy',
      query: IssueQuery,
    },
    { schema: IssueReport, description: 'The report, as of now.' },
    async (deps, { query: { format } }, res) => {
      const report = issueReport(await fleetOf(deps), nowOf(deps));
      const { type, write, disposition } = FORMS[format];
      if (format === 'html') res.setHeader('Content-Security-Policy', ISSUE_HTML_POLICY);
      res.setHeader('Content-Disposition', `${disposition}; filename="${fileName(report, format)}"`);
      res.type(type).send(write(report));
    },
  ),
];
