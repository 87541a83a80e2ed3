import type { ThProps } from '@patternfly/react-table';

interface Sortable {
  readonly sort?: string;
}

/** The sort that the URL says, unless it is left over from a list that is sorted by other keys. */
export const ownSort = (sort: string | undefined, sorts: readonly string[], preferred: string): string =>
  sort !== undefined && sorts.includes(sort.replace(/^-/, '')) ? sort : preferred;

/** What PatternFly's header cell needs for a column; nothing where the column cannot be sorted by. */
export const sortOf = (
  columns: readonly Sortable[],
  index: number,
  current: string | undefined,
  onSort: ((sort: string) => void) | undefined,
): Pick<ThProps, 'sort'> => {
  const key = columns[index]?.sort;
  if (key === undefined || onSort === undefined) return {};
  const isDescending = current?.startsWith('-') ?? false;
  const active = columns.findIndex(({ sort }) => sort !== undefined && sort === current?.replace(/^-/, ''));
  return {
    sort: {
      columnIndex: index,
      sortBy: active < 0 ? {} : { index: active, direction: isDescending ? 'desc' : 'asc' },
      onSort: (_event, _index, direction) => onSort(direction === 'desc' ? `-${key}` : key),
    },
  };
};
