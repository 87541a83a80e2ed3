import { setImmediate } from 'node:timers/promises';
import { type Expression, sql } from 'kysely';

/** Number of rows that a search examines at a time, which takes the database some 10 ms. */
export const WINDOW = 2_000;
/** Maximum number of windows before a search returns its position. */
const MAX_WINDOWS = 25;

/** Result of one step of a search. */
export interface Part<T> {
  readonly items: readonly T[];
  /** Number of the last examined row. */
  readonly last: number;
}

interface Walk<T> {
  /** Number of the row after which the search begins; undefined: at the beginning. */
  readonly from: number | undefined;
  readonly limit: number;
  readonly signal: AbortSignal | undefined;
  /** Examines the next rows. @returns undefined: no more rows */
  readonly step: (from: number | undefined, limit: number) => Promise<Part<T> | undefined>;
}

/**
 * Examines a limited number of rows in windows, so that neither the embedded database, which runs
 * one statement at a time, nor a connection is occupied for long. `next` is the position for
 * continuing; null: no more rows.
 */
export const searchWindows = async <T>({ from, limit, signal, step }: Walk<T>): Promise<{ items: T[]; next: number | null }> => {
  const items: T[] = [];
  let last = from;
  for (let looked = 0; looked < MAX_WINDOWS && items.length < limit; looked += 1) {
    if (signal?.aborted === true) break;
    const part = await step(last, limit - items.length);
    if (part === undefined) return { items, next: null };
    items.push(...part.items);
    ({ last } = part);
    // Rows are processed on the main thread, so other work gets a turn.
    await setImmediate();
  }
  return { items, next: last ?? null };
};

/**
 * Tests whether a column contains a text. SQLite ignores the case of ASCII letters, so the caller
 * has to check the result again.
 */
export const containsText = (column: Expression<string>, text: string) =>
  sql<boolean>`${column} like ${`%${text.replaceAll(/[!%_]/g, '!$&')}%`} escape '!'`;
