import { setImmediate } from 'node:timers/promises';
import { type Expression, sql } from 'kysely';

/** A search looks at so many rows at a time: some 10 ms of the database. */
export const WINDOW = 2_000;
/** Maximum number of windows of one search, before it returns its position. */
const MAX_WINDOWS = 25;

/** Part of a search's result. */
export interface Part<T> {
  readonly items: readonly T[];
  /** Number of the last row that was looked at. */
  readonly last: number;
}

interface Walk<T> {
  /** Number of the row behind which the walk begins; undefined: at the beginning. */
  readonly from: number | undefined;
  readonly limit: number;
  readonly signal: AbortSignal | undefined;
  /** @returns undefined: there are no more rows */
  readonly step: (from: number | undefined, limit: number) => Promise<Part<T> | undefined>;
}

/**
 * Looks at a limited number of rows, a window at a time, so that neither the embedded database,
 * which does one thing after the other, nor a connection is held for long. `next` says where to go
 * on; null: there are no more.
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
    // What was read is looked at on the thread of the hub: others have their turn.
    await setImmediate();
  }
  return { items, next: last ?? null };
};

/**
 * Whether a column holds a text; SQLite takes ASCII letters in both cases for the same, so that the
 * reader has to look once more.
 */
export const containsText = (column: Expression<string>, text: string) =>
  sql<boolean>`${column} like ${`%${text.replaceAll(/[!%_]/g, '!$&')}%`} escape '!'`;
