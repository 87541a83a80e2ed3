import type { EventView } from '@fso/shared/api';
import type { Kysely, SelectQueryBuilder } from 'kysely';
import { type EventFilter, matchesEvent } from '../../event-filter.ts';
import type { EventQuery, FoundEvents } from '../../types.ts';
import type { Schema } from '../schema.ts';
import { containsText, type Part, searchWindows, WINDOW } from './windows.ts';

type Columns = SelectQueryBuilder<Schema, 'events', object>;

const quoted = (text: string): string => JSON.stringify(text).slice(1, -1);
// biome-ignore lint/suspicious/noControlCharactersInRegex: all of ASCII.
const ASCII = /^[\u0000-\u007f]*$/;

/** Narrows a query by indexed columns. */
const narrowByIndex = (query: Columns, { cluster, policy, severity }: EventFilter): Columns => {
  let narrowed = query;
  if (cluster !== undefined) narrowed = narrowed.where('cluster', '=', cluster);
  if (policy !== undefined) narrowed = narrowed.where('policy', '=', policy);
  if (severity !== undefined) narrowed = narrowed.where('severity', '=', severity);
  return narrowed;
};

const narrowByTime = (query: Columns, { since, until }: EventFilter): Columns => {
  let narrowed = query;
  if (since !== undefined) narrowed = narrowed.where('time_ms', '>=', Date.parse(since));
  if (until !== undefined) narrowed = narrowed.where('time_ms', '<=', Date.parse(until));
  return narrowed;
};

/**
 * Narrows a query by text. Text beyond ASCII is filtered after reading, because databases differ in
 * lower-casing it.
 */
const narrowByText = (query: Columns, { q }: EventFilter): Columns =>
  q === undefined || !ASCII.test(q)
    ? query
    : query.where((eb) =>
        eb.or([
          containsText(eb.fn('lower', ['event_json']), quoted(q).toLowerCase()),
          containsText(eb.fn('lower', ['cluster']), q.toLowerCase()),
        ]),
      );

type Search = Omit<EventQuery, 'signal'>;

/** Reads the matching events of one range of the table, newest first. */
const readPart = async (part: Columns, { before, limit, ...filter }: Search): Promise<EventView[]> => {
  const older = before === undefined ? part : part.where('id', '<', before);
  const rows = await narrowByText(narrowByTime(older, filter), filter)
    .select(['id', 'cluster', 'event_json'])
    .orderBy('id', 'desc')
    .execute();
  return rows
    .map(({ id, cluster, event_json }) => ({ ...(JSON.parse(event_json) as EventView), id, cluster }))
    .filter((event) => matchesEvent(event, filter))
    .slice(0, limit);
};

/**
 * Returns the id after which the search continues; null: the page is not full, so there are no
 * more.
 */
const behind = (events: readonly EventView[], limit: number): number | null =>
  events.length < limit ? null : (events[limit - 1]?.id ?? null);

/**
 * Finds events of a short period by the index on time.
 *
 * @returns undefined: the period has too many events
 */
const findInTime = async (db: Kysely<Schema>, search: Search): Promise<FoundEvents | undefined> => {
  if (search.since === undefined && search.until === undefined) return undefined;
  const some = narrowByTime(db.selectFrom('events'), search)
    .select('id')
    .orderBy('time_ms', 'desc')
    .limit(WINDOW + 1)
    .as('some');
  const { count } = await db
    .selectFrom(some)
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .executeTakeFirstOrThrow();
  if (Number(count) > WINDOW) return undefined;
  const ids = narrowByTime(db.selectFrom('events'), search).select('id').orderBy('time_ms', 'desc').limit(WINDOW);
  const events = await readPart(narrowByIndex(db.selectFrom('events').where('id', 'in', ids), search), search);
  return { events, next: behind(events, search.limit) };
};

/**
 * Returns the oldest id of the next window of rows that match the indexed columns; undefined: no
 * more rows.
 */
const oldestOf = async (db: Kysely<Schema>, { before, ...filter }: Search): Promise<number | undefined> => {
  const all = narrowByIndex(db.selectFrom('events'), filter);
  const older = before === undefined ? all : all.where('id', '<', before);
  const some = older.select('id').orderBy('id', 'desc').limit(WINDOW).as('some');
  const { oldest } = await db
    .selectFrom(some)
    .select((eb) => eb.fn.min<number | null>('id').as('oldest'))
    .executeTakeFirstOrThrow();
  return oldest === null ? undefined : Number(oldest);
};

/**
 * Finds events, newest first. A short period is read directly; otherwise a limited number of rows
 * is examined.
 */
export const loadEvents = async (db: Kysely<Schema>, { signal, ...search }: EventQuery): Promise<FoundEvents> => {
  const inTime = await findInTime(db, search);
  if (inTime !== undefined) return inTime;
  const step = async (from: number | undefined, limit: number): Promise<Part<EventView> | undefined> => {
    const rest = { ...search, ...(from === undefined ? {} : { before: from }), limit };
    const oldest = await oldestOf(db, rest);
    if (oldest === undefined) return undefined;
    const items = await readPart(narrowByIndex(db.selectFrom('events').where('id', '>=', oldest), search), rest);
    return { items, last: behind(items, limit) ?? oldest };
  };
  const { items, next } = await searchWindows({ from: search.before, limit: search.limit, signal, step });
  return { events: items, next };
};

/** Counts events by indexed columns, up to the limit. */
export const countEvents = async (db: Kysely<Schema>, { limit, ...filter }: Omit<EventQuery, 'before' | 'signal'>): Promise<number> => {
  const some = narrowByIndex(db.selectFrom('events'), filter).select('id').limit(limit).as('some');
  const row = await db
    .selectFrom(some)
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .executeTakeFirstOrThrow();
  return Number(row.count);
};

/** Reads events after an id, newest first. */
export const loadNewEvents = async (db: Kysely<Schema>, after: number, limit: number): Promise<EventView[]> =>
  readPart(db.selectFrom('events').where('id', '>', after).limit(limit), { limit });
