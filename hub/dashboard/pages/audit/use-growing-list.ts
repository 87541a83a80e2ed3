import type { Page } from '@fso/shared/api';
import { type InfiniteData, type QueryKey, type UseInfiniteQueryOptions, useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { type UIEvent, useState } from 'react';
import { keys } from '../../api/keys.ts';
import { rowsOf } from '../../lib/paged-list.ts';

/** List, newest first, that does not move while the user reads it. */

interface Merged<T> {
  readonly rows: readonly T[];
  /** Number of newer rows that are not shown yet. */
  readonly held: number;
  /**
   * Whether rows may be missing between the newest ones and the list, which must then be read
   * again.
   */
  readonly hasGap: boolean;
}

interface MergeInput<T> {
  /** Current first page. */
  readonly newest: readonly T[];
  readonly isFull: boolean;
  /** Rows read before. */
  readonly list: readonly T[];
  /** Id of a row; higher is newer. */
  readonly idOf: (row: T) => number;
  /** Id of the newest row that is shown. */
  readonly upTo: number;
}

/** Puts the newest page before the rows that were read. Rows newer than `upTo` are held back. */
export const mergeNewest = <T>({ newest, isFull, list, idOf, upTo }: MergeInput<T>): Merged<T> => {
  const [first] = list;
  const top = first === undefined ? 0 : idOf(first);
  const newer = newest.filter((row) => idOf(row) > top);
  const hasGap = isFull && list.length > 0 && newer.length === newest.length && newer.length > 0;
  const all = hasGap ? list : [...newer, ...list];
  const rows = all.filter((row) => idOf(row) <= upTo);
  return { rows, held: all.length - rows.length + (hasGap ? newer.length : 0), hasGap };
};

const POLL_MS = 3000;
/** Upper bound of all ids. */
const ALL = Number.POSITIVE_INFINITY;

interface GrowingListOptions<T> {
  readonly list: UseInfiniteQueryOptions<Page<T>, Error, InfiniteData<Page<T>>, QueryKey, string | null>;
  /** First page of the same list. */
  readonly readNewest: (signal: AbortSignal) => Promise<Page<T>>;
  readonly idOf: (row: T) => number;
  /**
   * Whether the hub's total counts this list. Under a filter it counts the whole log, so the rows
   * that were read are counted instead.
   */
  readonly isCounted: boolean;
  /** Whether to poll the list, because the hub does not announce all new rows. */
  readonly polls: boolean;
}

/**
 * List, newest first, that grows at its top. While the user is at the top, new rows appear by
 * themselves. Further down they wait until the user asks for them, so that no row moves under the
 * pointer.
 */
export const useGrowingList = <T>({ list, readNewest, idOf, isCounted, polls }: GrowingListOptions<T>) => {
  const query = useInfiniteQuery({ ...list, queryKey: keys.growing.list(list.queryKey) });
  const newest = useQuery({
    queryKey: keys.growing.newest(list.queryKey),
    queryFn: ({ signal }) => readNewest(signal),
    refetchInterval: polls ? POLL_MS : false,
    enabled: query.isSuccess,
  });
  /** Id of the newest row when the user left the top. Newer rows are held back. */
  const [upTo, setUpTo] = useState(ALL);
  const pages = query.data;
  const merged = mergeNewest({
    newest: newest.data?.items ?? [],
    isFull: newest.data?.next !== null,
    list: rowsOf(pages),
    idOf,
    upTo,
  });
  const total = isCounted ? (newest.data?.total ?? 0) : 0;
  const data = pages && { ...pages, pages: [{ items: [...merged.rows], total, next: null }] };
  const [top] = merged.rows;
  return {
    query: { ...query, data } as typeof query,
    rows: merged.rows,
    held: merged.held,
    showHeld: (): void => {
      setUpTo(ALL);
      if (merged.hasGap) void query.refetch();
    },
    /** Handler for the element around the table. */
    onScrollCapture: (event: UIEvent): void => {
      const isDown = event.target instanceof Element && event.target.scrollTop > 0;
      if (!isDown && upTo !== ALL) setUpTo(ALL);
      if (isDown && upTo === ALL && top !== undefined) setUpTo(idOf(top));
    },
  };
};
