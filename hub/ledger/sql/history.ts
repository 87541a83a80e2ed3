import { type Kysely, sql } from 'kysely';
import type { Schema } from './schema.ts';

export interface HistoryLimits {
  readonly days: number;
  /** Events kept; the oldest go first. */
  readonly events: number;
}

/** Rows of one statement, so that writers never wait long. */
const ROWS = 5_000;

/** Forgets hubs that gave no sign of life for a day; none of them comes back under its name. */
export const forgetReplicas = async (db: Kysely<Schema>, own: string): Promise<void> => {
  await db.deleteFrom('replicas').where('id', '!=', own).where(sql<boolean>`heartbeat < now() - interval '1 day'`).execute();
};

/** Deletes events that are older, or more, than are kept. The audit log is never cleared. @returns how many went */
export const clearHistory = async (db: Kysely<Schema>, { days, events }: HistoryLimits, signal: AbortSignal): Promise<number> => {
  const first = await db.selectFrom('events').select('id').orderBy('id', 'desc').offset(events).limit(1).executeTakeFirst();
  const old = sql<boolean>`(received < now() - make_interval(days => ${days}) or id <= ${first?.id ?? 0})`;
  let cleared = 0;
  while (!signal.aborted) {
    const some = db.selectFrom('events').select('id').where(old).orderBy('id').limit(ROWS);
    const { numDeletedRows } = await db.deleteFrom('events').where('id', 'in', some).executeTakeFirstOrThrow();
    cleared += Number(numDeletedRows);
    if (numDeletedRows < ROWS) break;
  }
  return cleared;
};
