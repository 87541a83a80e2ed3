import type { Page } from '@fso/shared/api';
import type { InfiniteData } from '@tanstack/react-query';

/** Returns the rows of a list that have been read. */
export const rowsOf = <T>(data: InfiniteData<Page<T>> | undefined): readonly T[] => data?.pages.flatMap(({ items }) => items) ?? [];

/**
 * Merges a refreshed first page into a list. Its rows replace those up to the last one that both
 * have; rows further down stay as they were.
 *
 * @param keyOf identity of a row
 * @returns undefined if the page and the list have no row in common: rows between them may be
 * missing
 */
export const mergeFirst = <T, P = unknown>(
  { pages, pageParams }: InfiniteData<Page<T>, P>,
  first: Page<T>,
  keyOf: (row: T) => string,
): InfiniteData<Page<T>, P> | undefined => {
  if (first.next === null) return { pages: [first], pageParams: pageParams.slice(0, 1) };
  const rows = pages.flatMap(({ items }, page) => items.map((row) => ({ row, page, key: keyOf(row) })));
  const fresh = new Set(first.items.map(keyOf));
  // The last rows of the page may themselves be new.
  const joint = first.items.map(keyOf).findLast((key) => rows.some((row) => row.key === key));
  if (joint === undefined) return undefined;
  const at = rows.findIndex(({ key }) => key === joint);
  const rest = rows.slice(at + 1).filter(({ key }) => !fresh.has(key));
  const itemsOf = (page: number): T[] => rest.filter((row) => Math.max(1, row.page) === page).map(({ row }) => row);
  const { total } = first;
  return { pages: [first, ...pages.slice(1).map((page, index) => ({ ...page, total, items: itemsOf(index + 1) }))], pageParams };
};
