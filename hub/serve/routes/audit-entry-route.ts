import { AuditEntry } from '@fso/shared/api';
import { z } from 'zod';
import { notFound } from '../http/problems.ts';
import { jsonRoute, type Route } from '../http/route.ts';

const SequenceParams = z.strictObject({ sequence: z.string().regex(/^[1-9]\d{0,14}$/) });

/** One entry, wherever it is in the log. */
export const auditEntryRoute: Route = jsonRoute(
  {
    method: 'get',
    path: '/api/v1/audit/entries/{sequence}',
    operationId: 'getAuditEntry',
    summary: 'One entry of the audit log',
    tag: 'audit',
    access: 'viewer',
    params: SequenceParams,
    problems: ['not-found'],
  },
  { schema: AuditEntry, description: 'The entry.' },
  async ({ ledger: { audit } }, { params }) => {
    const sequence = Number(params.sequence);
    const [entry] = await audit.after(sequence - 1, 1);
    return entry?.sequence === sequence ? entry : notFound(`entry ${params.sequence}`);
  },
);
