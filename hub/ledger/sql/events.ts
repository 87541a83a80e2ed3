import type { EventView } from '@fso/shared/api';
import { type Kysely, type SelectQueryBuilder, sql } from 'kysely';
import { type EventFilter, matchesEvent } from '../event-filter.ts';
import type { Schema } from './schema.ts';

interface EventQuery extends EventFilter {
  readonly before?: number;
  readonly after?: number;
  readonly limit: number;
}

const PAGE = 1_000;
/** Where few are wanted: not all that the database finds is meant. */
const MIN_PAGE = 50;
const DAY_MS = 86_400_000;

type Columns = SelectQueryBuilder<Schema, 'events', object>;

/** Agents may write their times with an offset, so what the database compares as text is a day wider. */
const widened = (time: string, byMs: number): string => new Date(Date.parse(time) + byMs).toISOString();

/** Nested quotes are escaped in JSON, so only the event's own field looks like this. */
const time = sql<string>`substring(event_json from '"time":"([0-9TZ:.+-]+)"') collate "C"`;

const quoted = (text: string): string => JSON.stringify(text).slice(1, -1);
// biome-ignore lint/suspicious/noControlCharactersInRegex: all of ASCII.
const ASCII = /^[\u0000-\u007f]*$/;

/** Leaves out what the database can tell; beyond ASCII it knows lower case by other rules. */
const narrow = (query: Columns, { cluster, policy, severity, since, until, q }: EventFilter): Columns => {
  let narrowed = query;
  if (cluster !== undefined) narrowed = narrowed.where('cluster', '=', cluster);
  if (policy !== undefined) narrowed = narrowed.where('policy', '=', policy);
  if (severity !== undefined) narrowed = narrowed.where('severity', '=', severity);
  if (since !== undefined) narrowed = narrowed.where(time, '>=', widened(since, -DAY_MS));
  if (until !== undefined) narrowed = narrowed.where(time, '<=', widened(until, DAY_MS));
  if (q !== undefined && ASCII.test(q))
    narrowed = narrowed.where(
      sql<boolean>`(strpos(lower(event_json), ${quoted(q).toLowerCase()}) > 0 or strpos(lower(coalesce(cluster, '')), ${q.toLowerCase()}) > 0)`,
    );
  return narrowed;
};

/** Newest first. */
export const loadEvents = async (db: Kysely<Schema>, { before, after, limit, ...filter }: EventQuery): Promise<EventView[]> => {
  const found: EventView[] = [];
  const size = Math.min(PAGE, Math.max(limit, MIN_PAGE));
  const all = narrow(db.selectFrom('events'), filter).select(['id', 'cluster', 'event_json']).orderBy('id', 'desc').limit(size);
  const wanted = after === undefined ? all : all.where('id', '>', after);
  for (let last = before; ; ) {
    const rows = await (last === undefined ? wanted : wanted.where('id', '<', last)).execute();
    const events = rows.map(({ id, cluster, event_json }) => ({ ...(JSON.parse(event_json) as EventView), id, cluster }));
    found.push(...events.filter((event) => matchesEvent(event, filter)));
    if (found.length >= limit || rows.length < size) return found.slice(0, limit);
    last = rows.at(-1)?.id;
  }
};

const countRows = async (db: Kysely<Schema>, { limit, ...filter }: EventQuery): Promise<number> => {
  const some = narrow(db.selectFrom('events'), filter).select('id').limit(limit).as('some');
  const row = await db
    .selectFrom(some)
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .executeTakeFirstOrThrow();
  return Number(row.count);
};

/** Counted up to the limit. */
export const countEvents = async (db: Kysely<Schema>, query: Omit<EventQuery, 'before' | 'after'>): Promise<number> => {
  const { q, since, until } = query;
  const isExact = q === undefined && since === undefined && until === undefined;
  return isExact ? countRows(db, query) : (await loadEvents(db, query)).length;
};
