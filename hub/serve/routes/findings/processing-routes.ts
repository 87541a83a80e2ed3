import { ProcessingReport } from '@fso/shared/api';
import { z } from 'zod';
import { askClusters, processingJson, processingLines } from '../../export/processing-report.ts';
import { fileNameOf, sendLines } from '../../export/send-lines.ts';
import { type Route, rawRoute, SCOPED_READ } from '../../http/route.ts';
import type { FindingDeps } from './read-named.ts';

const ExportQuery = z.strictObject({ format: z.enum(['json', 'csv']).default('json').describe('csv: RFC 4180.') });

/** Route of the places where pods of governed namespaces run, as a file. */
export const processingRoutes: readonly Route<FindingDeps>[] = [
  rawRoute(
    {
      ...SCOPED_READ,
      path: '/api/v1/reports/processing',
      operationId: 'getProcessingReport',
      summary: 'Observed countries of processing of each governed namespace',
      description:
        'As JSON or CSV (RFC 4180). Every agent that is connected is asked now, 100 at a time, each for 2 s at most (through another hub 3 s): where its running pods are, by the catalogue of regions of the commit in force. A country that is not known is null, in CSV `unknown`, and never the last answer. Where data is stored is not observed.',
      tag: 'clusters',
      slots: 'export',
      query: ExportQuery,
    },
    { schema: ProcessingReport, description: 'The report, as of now.' },
    async ({ fleet, agents }, { query: { format } }, res) => {
      const now = await fleet.read();
      const generatedAt = new Date(fleet.now()).toISOString();
      const revision = now.desired()?.revision ?? null;
      const answers = askClusters(now.members(), (cluster) => agents.locate(cluster));
      const name = fileNameOf('processing', generatedAt, format);
      if (format === 'csv') return sendLines(res, { name, contentType: 'text/csv', head: '' }, processingLines(answers));
      const head = `${JSON.stringify({ generatedAt, revision }).slice(0, -1)},"processing":[`;
      await sendLines(res, { name, contentType: 'application/json', head }, processingJson(answers));
    },
  ),
];
