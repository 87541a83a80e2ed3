import type { Page } from '@fso/shared/api';
import { Button, Spinner } from '@patternfly/react-core';
import { Table, Tbody, Td, Th, Thead, Tr } from '@patternfly/react-table';
import type { InfiniteData, UseInfiniteQueryResult } from '@tanstack/react-query';
import { useVirtualizer, type VirtualItem } from '@tanstack/react-virtual';
import { type ReactNode, useEffect, useMemo, useRef } from 'react';
import { ErrorState, Loading } from './states.tsx';
import { sortOf } from './table-sort.ts';

const ROW_PX = 53;
/** Rows drawn above and below what is seen. */
const OVERSCAN = 10;

export interface Column<T> {
  readonly title: string;
  readonly cell: (row: T) => ReactNode;
  /** Name of the API's sort key; absent: the hub does not sort by it. */
  readonly sort?: string;
  /** Per cent of the table's width; those without share what is left. */
  readonly width?: 10 | 15 | 20 | 25 | 30 | 35 | 40 | 45 | 50;
}

interface DataTableProps<T> {
  /** Accessible name, e.g. `Policies`. */
  readonly label: string;
  /** What one row and several are called, for the count. */
  readonly noun: readonly [one: string, many: string];
  readonly query: UseInfiniteQueryResult<InfiniteData<Page<T>>>;
  readonly columns: readonly Column<T>[];
  readonly rowKey: (row: T) => string;
  /** API sort parameter: a key of a column, with `-` before it for descending. */
  readonly sort?: string | undefined;
  readonly onSort?: (sort: string) => void;
  /** Shown where there are no rows. */
  readonly empty: ReactNode;
}

/**
 * A list that the hub sorts, filters and pages. Rows are read as the reader scrolls, and only those on screen are in the
 * document; assistive technology hears of all of them by aria-rowcount and aria-rowindex. On a narrow screen each row is a card.
 */
export const DataTable = <T,>(props: DataTableProps<T>) => {
  const { query, label, empty } = props;
  if (query.data === undefined) {
    const what = `the ${label.toLowerCase()}`;
    if (query.isError) return <ErrorState error={query.error} what={what} onRetry={() => void query.refetch()} />;
    return <Loading what={`Loading ${what}`} lines={8} />;
  }
  return (query.data.pages[0]?.items.length ?? 0) === 0 ? empty : <Rows {...props} data={query.data} />;
};

const Rows = <T,>(props: DataTableProps<T> & { readonly data: InfiniteData<Page<T>> }) => {
  const { label, noun, query, columns, rowKey, data, sort, onSort } = props;
  const rows = useMemo(() => data.pages.flatMap(({ items }) => items), [data]);
  const total = Math.max(data.pages.at(-1)?.total ?? 0, rows.length);
  const scroller = useRef<HTMLElement>(null);
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW_PX,
    overscan: OVERSCAN,
    getItemKey: (index) => keyAt(rows, rowKey, index),
  });
  const items = virtual.getVirtualItems();
  useNextPage(query, (items.at(-1)?.index ?? 0) >= rows.length - OVERSCAN);
  const before = items[0]?.start ?? 0;
  const after = virtual.getTotalSize() - (items.at(-1)?.end ?? 0);
  return (
    <>
      <TableNote query={query} shown={rows.length} total={total} noun={noun} />
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must scroll by keyboard, too. */}
      <section className="fso-table" ref={scroller} tabIndex={0} aria-label={label}>
        <Table aria-label={label} aria-rowcount={total + 1} variant="compact" isStickyHeader gridBreakPoint="grid-md">
          <Thead>
            <Tr aria-rowindex={1}>
              {columns.map((column, index) => (
                <Th key={column.title} {...widthOf(column)} {...sortOf(columns, index, sort, onSort)}>
                  {column.title}
                </Th>
              ))}
            </Tr>
          </Thead>
          <Tbody>
            <Gap height={before} columns={columns.length} />
            {items.map((item) => (
              <Row key={item.key} item={item} row={rows[item.index]} columns={columns} measure={virtual.measureElement} />
            ))}
            <Gap height={after} columns={columns.length} />
          </Tbody>
        </Table>
      </section>
    </>
  );
};

const keyAt = <T,>(rows: readonly T[], rowKey: (row: T) => string, index: number): string | number => {
  const row = rows[index];
  return row === undefined ? index : rowKey(row);
};

const widthOf = <T,>({ width }: Column<T>) => (width === undefined ? {} : { width });

interface RowProps<T> {
  readonly item: VirtualItem;
  readonly row: T | undefined;
  readonly columns: readonly Column<T>[];
  readonly measure: (element: Element | null) => void;
}

const Row = <T,>({ item, row, columns, measure }: RowProps<T>) =>
  row === undefined ? null : (
    <Tr ref={measure} data-index={item.index} aria-rowindex={item.index + 2}>
      {columns.map(({ title, cell }) => (
        <Td key={title} dataLabel={title}>
          {cell(row)}
        </Td>
      ))}
    </Tr>
  );

/** Keeps the place of the rows that are not drawn. */
const Gap = ({ height, columns }: { readonly height: number; readonly columns: number }) =>
  height <= 0 ? null : (
    <Tr aria-hidden className="fso-gap">
      <Td colSpan={columns} style={{ height }} />
    </Tr>
  );

/** Reads the next page when the last rows come into view; after a failure only the reader's button tries again. */
const useNextPage = <T,>(query: UseInfiniteQueryResult<T>, isNear: boolean): void => {
  const { hasNextPage, isFetching, isFetchNextPageError, fetchNextPage } = query;
  useEffect(() => {
    if (isNear && hasNextPage && !isFetching && !isFetchNextPageError) void fetchNextPage();
  }, [isNear, hasNextPage, isFetching, isFetchNextPageError, fetchNextPage]);
};

interface TableNoteProps<T> {
  readonly query: UseInfiniteQueryResult<T>;
  readonly shown: number;
  readonly total: number;
  readonly noun: readonly [one: string, many: string];
}

const TableNote = <T,>({ query, shown, total, noun }: TableNoteProps<T>) => (
  <div className="fso-table-note">
    <span role="status">
      {total.toLocaleString()} {total === 1 ? noun[0] : noun[1]}
      {shown < total ? <span className="fso-muted">, {shown.toLocaleString()} read so far</span> : null}
    </span>
    {query.isFetchingNextPage ? <Spinner size="sm" aria-label="Reading more" /> : null}
    {query.isFetchNextPageError ? (
      <Button variant="link" isInline onClick={() => void query.fetchNextPage()}>
        The next rows could not be read. Try again
      </Button>
    ) : null}
    {query.isStale && !query.isFetching ? (
      <Button variant="link" isInline onClick={() => void query.refetch()}>
        The list has changed. Read it again
      </Button>
    ) : null}
  </div>
);
