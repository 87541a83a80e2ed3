import { EventPage, type EventView } from '@fso/shared/api';
import { z } from 'zod';
import { csvLine } from '../csv.ts';
import type { EventFilter } from '../ledger/event-filter.ts';
import type { Ledger } from '../ledger/types.ts';
import { numberOf } from './number-cursor.ts';
import { nextCursor } from './paging.ts';
import { EventQuery, eventFilters, given } from './queries.ts';
import { jsonRoute, type Route, rawRoute } from './route.ts';
import { sendLines } from './send-lines.ts';

/** Events that are counted for `total`; a ledger may hold more. */
const MAX_COUNTED_EVENTS = 10_000;

const FORMATS = ['jsonl', 'csv'] as const;
const ExportQuery = z.strictObject({ format: z.enum(FORMATS).default('jsonl'), ...eventFilters });

const COLUMNS = ['id', 'time', 'severity', 'cluster', 'reason', 'message', 'policy', 'namespace', 'revision'] as const;

interface Form {
  readonly contentType: string;
  readonly head: string;
  readonly line: (event: EventView) => string;
}

const FORMS: Readonly<Record<(typeof FORMATS)[number], Form>> = {
  jsonl: { contentType: 'application/jsonl', head: '', line: (event) => `${JSON.stringify(event)}\n` },
  csv: { contentType: 'text/csv', head: csvLine(COLUMNS), line: (event) => csvLine(COLUMNS.map((column) => event[column])) },
};

/** Events that are read at a time. */
const PAGE = 200;

/** Newest first; those that come meanwhile are not among them. */
async function* readEvents(ledger: Pick<Ledger, 'events'>, filter: EventFilter): AsyncGenerator<EventView> {
  let before: number | undefined;
  for (;;) {
    const page = await ledger.events({ ...filter, ...given({ before }), limit: PAGE });
    yield* page;
    before = page.at(-1)?.id;
    if (page.length < PAGE) return;
  }
}

async function* linesOf(events: AsyncIterable<EventView>, line: Form['line']): AsyncGenerator<string> {
  for await (const event of events) yield line(event);
}

/** What happened in the clusters and in the hub. */
export const eventRoutes: readonly Route[] = [
  jsonRoute(
    {
      method: 'get',
      path: '/api/v1/events',
      operationId: 'listEvents',
      summary: 'What happened',
      description: `\`total\` counts at most the newest ${MAX_COUNTED_EVENTS} events.`,
      tag: 'hub',
      access: 'viewer',
      query: EventQuery,
    },
    { schema: EventPage, description: 'A page, newest first.' },
    async (deps, { query: { limit, cursor, ...query } }) => {
      const filter = given(query);
      const [counted, found] = await Promise.all([
        deps.ledger.countEvents({ ...filter, limit: MAX_COUNTED_EVENTS }),
        deps.ledger.events({ ...filter, ...given({ before: numberOf(cursor) }), limit: limit + 1 }),
      ]);
      return { items: found.slice(0, limit), total: counted, next: nextCursor(found, ({ id }) => String(id), limit) };
    },
  ),
  rawRoute(
    {
      method: 'get',
      path: '/api/v1/events/export',
      operationId: 'exportEvents',
      summary: 'What happened as a file, newest first',
      description: 'All that the filters mean and the ledger still has.',
      tag: 'hub',
      access: 'viewer',
      query: ExportQuery,
    },
    { description: 'One event a line.', contentType: 'text/plain' },
    ({ ledger }, { query: { format, ...filter } }, res) => {
      const { contentType, head, line } = FORMS[format];
      return sendLines(res, { name: `events.${format}`, contentType, head }, linesOf(readEvents(ledger, given(filter)), line));
    },
  ),
];
