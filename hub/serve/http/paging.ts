import type { Page } from '@fso/shared/api';
import { byText } from '@fso/shared/encoding';
import { z } from 'zod';
import type { RequestWork } from './limits/request-work.ts';
import { ApiError } from './problems.ts';

/** Page to read: its size, and the cursor of the previous page; undefined: the first page. */
export interface PageQuery {
  readonly limit: number;
  readonly cursor?: string | undefined;
}

/** Creates a cursor that {@link decodeCursor} can read. */
export const encodeCursor = (key: string): string => Buffer.from(key, 'utf8').toString('base64url');

const notOurs = (): ApiError => new ApiError('bad-request', 'query parameter cursor: is not a cursor of this API');

/**
 * Reads the key from a cursor.
 *
 * @throws ApiError `bad-request` if the cursor is not from {@link pageOf}
 */
export const decodeCursor = (cursor: string): string => {
  const key = Buffer.from(cursor, 'base64url').toString('utf8');
  if (encodeCursor(key) !== cursor) throw notOurs();
  return key;
};

/**
 * Returns a page of items sorted by key. The cursor is the last key of the page, so changes in
 * between shift nothing.
 */
export const pageOf = <T>(items: readonly T[], keyOf: (item: T) => string, { limit, cursor }: PageQuery): Page<T> => {
  const after = cursor === undefined ? undefined : decodeCursor(cursor);
  const rest = after === undefined ? items : items.filter((item) => byText(keyOf(item), after) > 0);
  return { items: rest.slice(0, limit), total: items.length, next: nextCursor(rest, keyOf, limit) };
};

/** Cursor after the first `limit` items; null: no more items. */
export const nextCursor = <T>(items: readonly T[], keyOf: (item: T) => string, limit: number): string | null => {
  const last = items[limit - 1];
  return items.length > limit && last !== undefined ? encodeCursor(keyOf(last)) : null;
};

/** Cursor of a search that was asked for `limit` + 1 items and may have ended early. */
export const searchCursor = <T>(
  items: readonly T[],
  keyOf: (item: T) => string,
  { limit, next }: { readonly limit: number; readonly next: string | null },
): string | null => {
  if (items.length > limit) return nextCursor(items, keyOf, limit);
  return next === null ? null : encodeCursor(next);
};

type SortValue = string | number;

/** Sort value after every time, in milliseconds since 1970. */
export const NEVER = Number.MAX_SAFE_INTEGER;

/**
 * Sort orders of a list. Items with equal values are sorted by their unique key. All values of one
 * order have the same type.
 */
export interface Orders<T, S extends string> {
  readonly keyOf: (item: T) => string;
  readonly by: Readonly<Record<S, (item: T) => SortValue>>;
  /**
   * Weight of an item that can be very large. A page ends before `limit` if its items weigh more
   * than 1000.
   */
  readonly weightOf?: (item: T) => number;
}

/** Page to read, with its sort order. */
export interface SortedQuery<S extends string> extends PageQuery {
  /** Sort order; a leading `-` reverses it, including keys. */
  readonly sort: S | `-${S}`;
}

interface Place {
  readonly value: SortValue;
  readonly key: string;
}

const Cursor = z.tuple([z.string(), z.union([z.string(), z.number()]), z.string()]);

/** Maximum weight of a page in lists whose items differ much in size. */
const MAX_WEIGHT = 1000;

/** Number of first items that fit on a page, at least one. */
const fitting = (weights: readonly number[]): number => {
  let weight = 0;
  const end = weights.findIndex((each, at) => {
    weight += each;
    return at > 0 && weight > MAX_WEIGHT;
  });
  return end < 0 ? weights.length : end;
};

const encodePlace = (sort: string, { value, key }: Place): string => encodeCursor(JSON.stringify([sort, value, key]));

const decodePlace = (sort: string, cursor: string): Place => {
  let decoded: unknown;
  try {
    decoded = JSON.parse(decodeCursor(cursor));
  } catch {
    throw notOurs();
  }
  const parsed = Cursor.safeParse(decoded);
  if (!parsed.success) throw notOurs();
  const [sortedBy, value, key] = parsed.data;
  if (sortedBy !== sort)
    throw new ApiError('bad-request', `query parameter cursor: is of the list sorted by ${sortedBy}, which goes on with sort=${sortedBy}`);
  return { value, key };
};

const compareValues = (a: SortValue, b: SortValue): number =>
  typeof a === 'number' && typeof b === 'number' ? a - b : byText(String(a), String(b));

const comparePlaces = (a: Place, b: Place): number => compareValues(a.value, b.value) || byText(a.key, b.key);

/** Smallest number of collected items at which those beyond the page are dropped. */
const MIN_KEPT = 256;

interface Placed<T> extends Place {
  readonly item: T;
}

/**
 * Page of a list in the requested order. Items are added in any order, and only those that may be
 * on the page are kept. The cursor is the value and key of the last item of the page. Inserting or
 * deleting items does not shift pages; an item whose sort value crosses the cursor may be skipped
 * or repeated.
 */
export class SortedPage<T, S extends string> {
  readonly #orders: Orders<T, S>;
  readonly #query: SortedQuery<S>;
  readonly #valueOf: (item: T) => SortValue;
  readonly #compare: (a: Place, b: Place) => number;
  readonly #after: Place | undefined;
  #total = 0;
  /** Number of items after the cursor. */
  #behind = 0;
  #kept: Placed<T>[] = [];
  /** Bound of the page: only items before it can be on the page. */
  #bound: Place | undefined;

  /** @throws ApiError `bad-request` for a cursor of another order, or an invalid one */
  constructor(orders: Orders<T, S>, query: SortedQuery<S>) {
    const { sort, cursor } = query;
    const descending = sort.startsWith('-');
    this.#orders = orders;
    this.#query = query;
    this.#valueOf = orders.by[(descending ? sort.slice(1) : sort) as S];
    this.#compare = descending ? (a, b) => comparePlaces(b, a) : comparePlaces;
    this.#after = cursor === undefined ? undefined : decodePlace(sort, cursor);
  }

  add(item: T): void {
    this.#total += 1;
    const placed = { item, value: this.#valueOf(item), key: this.#orders.keyOf(item) };
    if (this.#after !== undefined && this.#compare(placed, this.#after) <= 0) return;
    this.#behind += 1;
    if (this.#bound !== undefined && this.#compare(placed, this.#bound) >= 0) return;
    this.#kept.push(placed);
    if (this.#kept.length >= Math.max(2 * this.#query.limit, MIN_KEPT)) this.#bound = this.#keepFirst();
  }

  /** Returns the page, after all items were added. */
  end(): Page<T> {
    this.#keepFirst();
    const { weightOf = () => 0 } = this.#orders;
    const page = this.#kept.slice(0, fitting(this.#kept.map(({ item }) => weightOf(item))));
    const last = page.at(-1);
    return {
      items: page.map(({ item }) => item),
      total: this.#total,
      next: this.#behind > page.length && last !== undefined ? encodePlace(this.#query.sort, last) : null,
    };
  }

  /** Drops items beyond the page. @returns the last kept item */
  #keepFirst(): Place | undefined {
    this.#kept = this.#kept.sort(this.#compare).slice(0, this.#query.limit);
    return this.#kept.at(-1);
  }
}

/** Filter and sort orders of a list. */
export interface ListOf<T, S extends string> {
  readonly matches: (item: T) => boolean;
  readonly orders: Orders<T, S>;
  readonly query: SortedQuery<S>;
}

/** Part of a route's input that is needed to read a list. */
export interface ListInput {
  readonly work: RequestWork;
  readonly signal: AbortSignal;
}

/**
 * Reads a page of a list in time slices.
 *
 * @throws ApiError as {@link SortedPage}; the signal's reason
 */
export const listPage = async <T, S extends string>(
  items: Iterable<T>,
  { matches, orders, query }: ListOf<T, S>,
  { work, signal }: ListInput,
): Promise<Page<T>> => {
  const page = new SortedPage(orders, query);
  await work.each(items, (item) => matches(item) && page.add(item), signal);
  return page.end();
};

/** Creates the parameter `sort`. The first order is the default unless another is given. */
export const sortParameter = <const S extends string>(names: readonly [S, ...S[]], preferred: S | `-${S}` = names[0]) => {
  const both = names.flatMap((name): (S | `-${S}`)[] => [name, `-${name}`]);
  return z
    .enum(both)
    .default(preferred as never)
    .describe(
      'What the list is sorted by; `-` before it: the other way round. A cursor is a place in this order: an item whose value moves past it between two pages, as `seen` does, may be left out or come twice; only the order of names never moves.',
    );
};

/**
 * Creates the text of a cursor for a list that is ordered by number and can be read in several
 * orders.
 */
export const cursorText = (number: number, order: string): string => `${order} ${number}`;

/**
 * Reads the number from a cursor of a list that is ordered by number.
 *
 * @param order same as for {@link cursorText}, if the list has several
 * @returns undefined: start at the beginning
 * @throws ApiError `bad-request` for any other cursor, also of another order
 */
export const numberOf = (cursor: string | undefined, order?: string): number | undefined => {
  if (cursor === undefined) return undefined;
  const text = decodeCursor(cursor);
  const prefix = order === undefined ? '' : `${order} `;
  const number = text.startsWith(prefix) ? text.slice(prefix.length) : '';
  if (!/^\d{1,15}$/.test(number)) throw new ApiError('bad-request', 'query parameter cursor: is not a cursor of this list in this order');
  return Number(number);
};
