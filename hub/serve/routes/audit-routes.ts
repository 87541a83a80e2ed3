import { AuditEntry, AuditPage, AuditProofs, AuditVerificationView, ResourceName } from '@fso/shared/api';
import type { Clock } from '@fso/shared/runtime';
import type { Response } from 'express';
import { z } from 'zod';
import { type AuditFilter, type AuditLog, AuditVerifier, EXPORT_FORMATS, FORMATTERS, readAudit } from '../../ledger/index.ts';
import { sendLines } from '../export/send-lines.ts';
import { cursorText, numberOf, searchCursor } from '../http/paging.ts';
import { PolicyKeyParameter, paging, period, Text, wholeNumber, withoutAbsent } from '../http/parameters.ts';
import { ApiError, notFound } from '../http/problems.ts';
import { GLOBAL_READ, type HubScope, jsonRoute, type Route, rawRoute } from '../http/route.ts';

/** Dependencies of audit log routes. */
export interface AuditDeps {
  readonly ledger: { readonly audit: AuditLog };
  readonly config: {
    /** Public key of the hub's checkpoints. */
    readonly auditKey: string;
  };
  readonly runtime: { readonly clock: Clock };
}

/** Number of entries read at a time. */
const PAGE = 200;
const Filter = Text.min(1).max(512).optional();

const filters = {
  action: Filter.describe('Such as `revision.accept`.'),
  actor: Filter.describe('Id of who did it.'),
  subject: Filter.describe('What it was done to.'),
  cluster: ResourceName.optional().describe('What its agent did, what was done to it, and what is about it.'),
  policy: PolicyKeyParameter.describe('Key of a policy: the commits that changed it.'),
  ...period,
};

const AuditQuery = z.strictObject({
  ...filters,
  order: z.enum(['desc', 'asc']).default('desc').describe('Newest first, or oldest first.'),
  after: wholeNumber({ digits: 15, min: 0 }).optional().describe('With `order=asc`: number of the entry to begin after.'),
  ...paging,
});

const ExportQuery = z.strictObject({ format: z.enum(EXPORT_FORMATS).default('jsonl'), ...filters });

const CONTENT_TYPES = { jsonl: 'application/jsonl', ocsf: 'application/jsonl', csv: 'text/csv' };
const EXTENSIONS = { jsonl: 'jsonl', ocsf: 'ocsf.jsonl', csv: 'csv' };

async function* exportLines(
  { ledger }: AuditDeps,
  { format, ...filter }: z.output<typeof ExportQuery>,
  signal: AbortSignal,
): AsyncGenerator<string> {
  for await (const entry of readAudit(ledger.audit, { pageSize: PAGE, filter: withoutAbsent(filter), signal }))
    yield FORMATTERS[format].line(entry);
}

const sendExport = (
  deps: AuditDeps,
  { query, signal }: { readonly query: z.output<typeof ExportQuery>; readonly signal: AbortSignal },
  res: Response,
): Promise<void> => {
  const { format } = query;
  const file = { name: `audit.${EXTENSIONS[format]}`, contentType: CONTENT_TYPES[format], head: FORMATTERS[format].head };
  return sendLines(res, file, exportLines(deps, query, signal));
};

/** Maximum number of counted entries if filters are given, because each has to be read. */
const MAX_COUNTED = 1_000;

/** Number of entries. With filters, only those that one search finds. */
const totalOf = async (audit: AuditLog, filter: AuditFilter, signal: AbortSignal): Promise<number> => {
  if (Object.keys(filter).length === 0) return (await audit.head()).sequence;
  return (await audit.search({ filter, order: 'desc', from: undefined, limit: MAX_COUNTED, signal })).entries.length;
};

const SequenceParams = z.strictObject({ sequence: z.string().regex(/^[1-9]\d{0,14}$/) });

/** Routes of the audit log and its proofs. A reader of the whole log can compute every hash. */
export const auditRoutes: readonly Route<AuditDeps, HubScope>[] = [
  jsonRoute(
    {
      ...GLOBAL_READ,
      path: '/api/v1/audit',
      operationId: 'listAudit',
      summary: 'The audit log',
      description: `Hash-chained: \`fso audit verify\` reads the whole log and computes every hash itself. With filters \`total\` counts at most ${MAX_COUNTED} entries, and at most some 50,000 entries are looked at for one page, which can then be short, or empty: \`next\` goes on.`,
      tag: 'audit',
      slots: 'heavy',
      query: AuditQuery,
    },
    { schema: AuditPage, description: 'A page.' },
    async ({ ledger: { audit } }, { query, signal }) => {
      const { order, limit, cursor, after, ...filter } = query;
      if (after !== undefined && order === 'desc') throw new ApiError('bad-request', 'query parameter after: goes with order=asc');
      const at = numberOf(cursor, order) ?? after;
      const { entries, next } = await audit.search({ filter: withoutAbsent(filter), order, from: at, limit: limit + 1, signal });
      const items = entries.slice(0, limit);
      const total = Math.max(await totalOf(audit, withoutAbsent(filter), signal), items.length);
      const end = next === null ? null : cursorText(next, order);
      return { items, total, next: searchCursor(entries, ({ sequence }) => cursorText(sequence, order), { limit, next: end }) };
    },
  ),
  jsonRoute(
    {
      ...GLOBAL_READ,
      path: '/api/v1/audit/proofs',
      operationId: 'getAuditProofs',
      summary: 'Checkpoints of the audit log, and those that agents keep',
      tag: 'audit',
      slots: 'heavy',
    },
    { schema: AuditProofs, description: 'Signed by the hub, and given back by agents.' },
    async ({ ledger, config }) => {
      const { checkpoints, witnesses } = await ledger.audit.proofs();
      return { key: config.auditKey, checkpoints: [...checkpoints], witnesses: [...witnesses] };
    },
  ),
  {
    ...GLOBAL_READ,
    path: '/api/v1/audit/verification',
    operationId: 'getAuditVerification',
    summary: 'Whether the audit log is intact, as the hub finds',
    description:
      'The chain, the checkpoints and what agents gave back. Computed at most every 10 s and a twentieth of the time, and while nothing is written every 10 min. A hub that was taken over can say anything here: `fso audit verify` computes the same elsewhere.',
    tag: 'audit',
    slots: 'heavy',
    response: { status: 200, description: 'What was found.', schema: AuditVerificationView },
    problems: ['too-many-requests'],
    handler: ({ ledger, config, runtime }) => {
      const verifier = new AuditVerifier({ audit: ledger.audit, key: config.auditKey, clock: runtime.clock });
      return async (_req, res) => {
        res.json(await verifier.verify());
      };
    },
  },
  rawRoute(
    {
      ...GLOBAL_READ,
      path: '/api/v1/audit/export',
      operationId: 'exportAudit',
      summary: 'The audit log as a file, oldest first',
      description: 'Without filters a file of the format jsonl can be verified: `fso audit verify <file>`.',
      tag: 'audit',
      slots: 'export',
      query: ExportQuery,
    },
    { description: 'One entry a line.', contentType: 'text/plain' },
    sendExport,
  ),
  jsonRoute(
    {
      ...GLOBAL_READ,
      path: '/api/v1/audit/entries/{sequence}',
      operationId: 'getAuditEntry',
      summary: 'One entry of the audit log',
      tag: 'audit',
      params: SequenceParams,
      problems: ['not-found'],
    },
    { schema: AuditEntry, description: 'The entry.' },
    async ({ ledger: { audit } }, { params }) => {
      const sequence = Number(params.sequence);
      const [entry] = await audit.after(sequence - 1, 1);
      return entry?.sequence === sequence ? entry : notFound(`entry ${params.sequence}`);
    },
  ),
];
