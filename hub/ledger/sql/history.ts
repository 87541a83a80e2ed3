import { type Kysely, sql } from 'kysely';
import type { Schema } from './schema.ts';

export interface HistoryLimits {
  readonly days: number;
  /** Events kept; the oldest go first. */
  readonly events: number;
}

/** Rows of one statement, so that writers never wait long. */
const ROWS = 5_000;
const DAY_MS = 86_400_000;

/** Forgets hubs that gave no sign of life for a day; none of them comes back under its name. */
export const forgetReplicas = async (db: Kysely<Schema>, own: string): Promise<void> => {
  await db.deleteFrom('replicas').where('id', '!=', own).where(sql<boolean>`heartbeat < now() - interval '1 day'`).execute();
};

/** Where one hub is alone, those before it are gone, and whoever was connected to them is not any more. */
export const forgetFormer = async (db: Kysely<Schema>): Promise<void> => {
  await db.deleteFrom('replicas').execute();
  await db.updateTable('clusters').set({ connected_by: null }).where('connected_by', 'is not', null).execute();
};

/** Deletes events that are older, or more, than are kept. The audit log is never cleared. @returns how many went */
export const clearHistory = async (
  db: Kysely<Schema>,
  { days, events }: HistoryLimits,
  now: Date,
  signal: AbortSignal,
): Promise<number> => {
  const first = await db.selectFrom('events').select('id').orderBy('id', 'desc').offset(events).limit(1).executeTakeFirst();
  const oldest = new Date(now.getTime() - days * DAY_MS).toISOString();
  const old = sql<boolean>`(received < ${oldest} or id <= ${first?.id ?? 0})`;
  let cleared = 0;
  while (!signal.aborted) {
    const some = db.selectFrom('events').select('id').where(old).orderBy('id').limit(ROWS);
    const { numDeletedRows } = await db.deleteFrom('events').where('id', 'in', some).executeTakeFirstOrThrow();
    cleared += Number(numDeletedRows);
    if (numDeletedRows < ROWS) break;
  }
  return cleared;
};
