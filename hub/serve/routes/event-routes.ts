import { EventPage, type EventView } from '@fso/shared/api';
import { csvLine } from '@fso/shared/encoding';
import { z } from 'zod';
import type { EventFilter, FleetState } from '../../ledger/index.ts';
import { sendLines } from '../export/send-lines.ts';
import { numberOf, searchCursor } from '../http/paging.ts';
import { EventQuery, eventFilters, withoutAbsent } from '../http/parameters.ts';
import { jsonRoute, type Route, rawRoute, SCOPED_READ } from '../http/route.ts';

/** Maximum number of events counted for `total`. A ledger may hold more. */
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

/** Number of events read at a time. */
const PAGE = 200;

/** Yields events, newest first. Events added meanwhile are not included. */
async function* readEvents(ledger: Pick<FleetState, 'searchEvents'>, filter: EventFilter, signal: AbortSignal): AsyncGenerator<EventView> {
  let before: number | undefined;
  while (!signal.aborted) {
    const { events, next } = await ledger.searchEvents({ ...filter, ...withoutAbsent({ before }), limit: PAGE, signal });
    yield* events;
    if (next === null) return;
    before = next;
  }
}

async function* linesOf(events: AsyncIterable<EventView>, line: Form['line']): AsyncGenerator<string> {
  for await (const event of events) yield line(event);
}

interface EventDeps {
  readonly ledger: Pick<FleetState, 'searchEvents' | 'countEvents'>;
}

/** Routes of events of the clusters and of the hub. */
export const eventRoutes: readonly Route<EventDeps, 'scoped'>[] = [
  jsonRoute(
    {
      ...SCOPED_READ,
      path: '/api/v1/events',
      operationId: 'listEvents',
      summary: 'What happened',
      description: `\`total\` counts at most ${MAX_COUNTED_EVENTS} events; with a text or a time, of the newest as many. At most some 50,000 events are looked at for one page, which can then be short, or empty: \`next\` goes on.`,
      tag: 'hub',
      slots: 'heavy',
      query: EventQuery,
    },
    { schema: EventPage, description: 'A page, newest first.' },
    async ({ ledger }, { query: { limit, cursor, ...query }, signal }) => {
      const filter = withoutAbsent(query);
      const [counted, { events, next }] = await Promise.all([
        ledger.countEvents({ ...filter, limit: MAX_COUNTED_EVENTS }),
        ledger.searchEvents({ ...filter, ...withoutAbsent({ before: numberOf(cursor) }), limit: limit + 1, signal }),
      ]);
      const items = events.slice(0, limit);
      return {
        items,
        total: Math.max(counted, items.length),
        next: searchCursor(events, ({ id }) => String(id), { limit, next: next === null ? null : String(next) }),
      };
    },
  ),
  rawRoute(
    {
      ...SCOPED_READ,
      path: '/api/v1/events/export',
      operationId: 'exportEvents',
      summary: 'What happened as a file, newest first',
      description: 'All that the filters mean and the ledger still has.',
      tag: 'hub',
      slots: 'export',
      query: ExportQuery,
    },
    { description: 'One event a line.', contentType: 'text/plain' },
    ({ ledger }, { query: { format, ...filter }, signal }, res) => {
      const { contentType, head, line } = FORMS[format];
      return sendLines(
        res,
        { name: `events.${format}`, contentType, head },
        linesOf(readEvents(ledger, withoutAbsent(filter), signal), line),
      );
    },
  ),
];
