import { type Kysely, sql } from 'kysely';
import type { Migration } from 'kysely/migration';

/**
 * Milliseconds of the time that an event says. Nested quotes are escaped in JSON, so only the event's own field looks like this. PostgreSQL
 * has no year 0.
 */
const timeOf = sql`case when event_json ~ '"time":"[1-9]' then
  (extract(epoch from substring(event_json from '"time":"([0-9TZ:.+-]+)"')::timestamptz) * 1000)::bigint else 0 end`;

/** Gives a time to events without one, which an older version has written. */
export const fillEventTimes = async <S>(db: Kysely<S>): Promise<void> => {
  await sql`update events set time_ms = ${timeOf} where time_ms is null`.execute(db);
};

/** Finds events by time and severity without reading the others. */
export const eventSearch: Migration = {
  up: async (db: Kysely<unknown>): Promise<void> => {
    await sql`alter table events add column time_ms bigint`.execute(db);
    await fillEventTimes(db);
    await sql`create index events_time on events (time_ms)`.execute(db);
    await sql`create index events_severity on events (severity, id)`.execute(db);
  },
};
