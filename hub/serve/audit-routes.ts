import { AuditPage, AuditProofs } from '@fso/shared/api';
import { z } from 'zod';
import { numberOf } from './number-cursor.ts';
import { nextCursor } from './paging.ts';
import { ApiError } from './problems.ts';
import { Limit } from './queries.ts';
import { jsonRoute, type Route } from './route.ts';

const Filter = z.string().min(1).max(512).optional();

const AuditQuery = z.strictObject({
  action: Filter.describe('Such as `revision.accept`.'),
  actor: Filter.describe('Id of who did it.'),
  subject: Filter.describe('What it was done to.'),
  order: z.enum(['desc', 'asc']).default('desc').describe('Newest first, or, without filters, oldest first.'),
  limit: Limit.describe('Items of a page, 1 to 500.'),
  cursor: z.string().max(64).optional().describe('`next` of the page before.'),
});

/** The audit log, and what proves it. Whoever reads it all can compute every hash anew. */
export const auditRoutes: readonly Route[] = [
  jsonRoute(
    {
      method: 'get',
      path: '/api/v1/audit',
      operationId: 'listAudit',
      summary: 'The audit log',
      description: 'Hash-chained: `fso audit verify` reads it all and computes every hash anew.',
      tag: 'audit',
      access: 'viewer',
      query: AuditQuery,
    },
    { schema: AuditPage, description: 'A page.' },
    async ({ ledger: { audit } }, { query }) => {
      const { order, limit, cursor, ...given } = query;
      const at = numberOf(cursor);
      const filter = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
      if (order === 'asc' && Object.keys(filter).length > 0)
        throw new ApiError('bad-request', 'query parameter order: asc reads the whole log, without action, actor or subject');
      const found =
        order === 'asc'
          ? await audit.after(at ?? 0, limit + 1)
          : await audit.list({ ...filter, ...(at === undefined ? {} : { before: at }), limit: limit + 1 });
      const { sequence: total } = await audit.head();
      return { items: found.slice(0, limit), total, next: nextCursor(found, ({ sequence }) => String(sequence), limit) };
    },
  ),
  jsonRoute(
    {
      method: 'get',
      path: '/api/v1/audit/proofs',
      operationId: 'getAuditProofs',
      summary: 'Checkpoints of the audit log, and those that agents keep',
      tag: 'audit',
      access: 'viewer',
    },
    { schema: AuditProofs, description: 'Signed by the hub, and given back by agents.' },
    async ({ ledger, auditKey }) => {
      const { checkpoints, witnesses } = await ledger.audit.proofs();
      return { key: auditKey, checkpoints: [...checkpoints], witnesses: [...witnesses] };
    },
  ),
];
