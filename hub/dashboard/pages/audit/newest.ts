/** A list, newest first, that does not move under the eyes of whoever reads it. */

interface Merged<T> {
  readonly rows: readonly T[];
  /** Newer ones that are not shown yet. */
  readonly held: number;
  /** There may be rows between the newest and the list: it has to be read again. */
  readonly hasGap: boolean;
}

interface MergeInput<T> {
  /** First page as it is now, and whether it is full. */
  readonly newest: readonly T[];
  readonly isFull: boolean;
  /** As read before. */
  readonly list: readonly T[];
  /** Higher = newer. */
  readonly idOf: (row: T) => number;
  /** No row newer than this one is shown. */
  readonly upTo: number;
}

export const mergeNewest = <T>({ newest, isFull, list, idOf, upTo }: MergeInput<T>): Merged<T> => {
  const [first] = list;
  const top = first === undefined ? 0 : idOf(first);
  const newer = newest.filter((row) => idOf(row) > top);
  const hasGap = isFull && list.length > 0 && newer.length === newest.length && newer.length > 0;
  const all = hasGap ? list : [...newer, ...list];
  const rows = all.filter((row) => idOf(row) <= upTo);
  return { rows, held: all.length - rows.length + (hasGap ? newer.length : 0), hasGap };
};
