import type { Page } from '@fso/shared/api';
import { Button, Spinner } from '@patternfly/react-core';
import type { InfiniteData, UseInfiniteQueryResult } from '@tanstack/react-query';
import { type ReactNode, type UIEventHandler, useMemo } from 'react';
import { cleared, isAnySet, namesOf, useSearchChange, type Values } from '../../lib/filters.ts';
import { formatNumber } from '../../lib/format.ts';
import { rowsOf } from '../../lib/paged-list.ts';
import { DetailDrawer, type DetailDrawerProps } from '../detail-drawer.tsx';
import { Empty, QueryView } from '../empty-states.tsx';
import { SearchToolbar, type SearchToolbarProps } from '../search-toolbar.tsx';
import { type Column, VirtualTable, type VirtualTableProps } from './virtual-table.tsx';

export type { Column } from './virtual-table.tsx';

interface DataTableProps<T> {
  /** Accessible name, e.g. `Policies`. */
  readonly label: string;
  /** Singular and plural of the rows, for their count. */
  readonly noun: readonly [one: string, many: string];
  readonly query: UseInfiniteQueryResult<InfiniteData<Page<T>>>;
  readonly columns: readonly Column<T>[];
  readonly rowKey: (row: T) => string;
  /** Sort parameter of the API: the key of a column, with `-` before it for descending order. */
  readonly sort?: string | undefined;
  readonly onSort?: ((sort: string) => void) | undefined;
  /** Shown if there are no rows. */
  readonly empty: ReactNode;
  readonly onScrollCapture?: UIEventHandler;
}

/**
 * List that the hub sorts, filters and pages. Rows are read as the user scrolls, and only those on
 * screen are in the document; aria-rowcount and aria-rowindex tell assistive technology the total.
 * On a narrow screen each row is a card.
 */
export const DataTable = <T,>(props: DataTableProps<T>) => {
  const { query, label, empty, onScrollCapture } = props;
  const isEmpty = (data: InfiniteData<Page<T>>): boolean => data.pages.every(({ items }) => items.length === 0);
  return (
    <QueryView query={query} what={`the ${label.toLowerCase()}`} lines={8}>
      {(data) => (
        // These rows match the previous filters, not the current ones.
        <div
          aria-busy={query.isPlaceholderData}
          className={query.isPlaceholderData ? 'fso-outdated' : ''}
          {...(onScrollCapture && { onScrollCapture })}
        >
          {isEmpty(data) ? <NoRows query={query} empty={empty} /> : <Rows {...props} data={data} />}
        </div>
      )}
    </QueryView>
  );
};

/**
 * Text for a list without rows. A search examines a limited number of rows at a time, so more may
 * follow.
 */
const NoRows = <T,>({ query, empty }: Pick<DataTableProps<T>, 'query' | 'empty'>) =>
  query.hasNextPage ? (
    <p className="fso-muted">
      No match yet.{' '}
      <Button variant="link" isInline isLoading={query.isFetchingNextPage} onClick={() => void query.fetchNextPage()}>
        Search older entries
      </Button>
    </p>
  ) : (
    empty
  );

const Rows = <T,>(props: DataTableProps<T> & { readonly data: InfiniteData<Page<T>> }) => {
  const { label, noun, query, columns, rowKey, data, sort, onSort } = props;
  const rows = useMemo(() => rowsOf(data), [data]);
  const total = Math.max(data.pages.at(-1)?.total ?? 0, rows.length);
  // After a failure, only the button tries again.
  const mayRead = query.hasNextPage && !query.isFetchingNextPage && !query.isFetchNextPageError;
  return (
    <>
      <TableNote query={query} shown={rows.length} total={total} noun={noun} />
      <VirtualTable
        label={label}
        rows={rows}
        total={total}
        columns={columns}
        rowKey={rowKey}
        sort={sort}
        onSort={onSort}
        onNearEnd={mayRead ? query.fetchNextPage : undefined}
      />
    </>
  );
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
      {formatNumber(total)} {total === 1 ? noun[0] : noun[1]}
      {shown < total ? <span className="fso-muted">, {formatNumber(shown)} loaded</span> : null}
    </span>
    {query.isFetchingNextPage ? <Spinner size="sm" aria-label="Loading more" /> : null}
    {query.isFetchNextPageError ? (
      <Button variant="link" isInline onClick={() => void query.fetchNextPage()}>
        Could not load more rows. Try again
      </Button>
    ) : null}
    {query.isStale && !query.isFetching ? (
      <Button variant="link" isInline onClick={() => void query.refetch()}>
        The list has changed. Reload it
      </Button>
    ) : null}
  </div>
);

interface SearchableTableProps<T> {
  readonly toolbar: Omit<SearchToolbarProps, 'values' | 'onChange'>;
  readonly table: Omit<DataTableProps<T>, 'onSort' | 'empty'>;
  /** Search parameters of the page. */
  readonly values: Values;
  /** Shown if there are no rows and no filter is set. */
  readonly none: ReactNode;
  /** Title if no row matches, e.g. `No policies match`. */
  readonly noMatch: string;
  /** Content between the toolbar and the table. */
  readonly children?: ReactNode;
  /**
   * Row that is shown in full beside the list; null if none is open. Absent if rows cannot be
   * opened.
   */
  readonly detail?: DetailDrawerProps['detail'] | null;
}

/** List with its toolbar. Search text, filters and sort are kept in the URL of the page. */
export const SearchableTable = <T,>({ toolbar, table, values, none, noMatch, children, detail }: SearchableTableProps<T>) => {
  const change = useSearchChange();
  const names = [...namesOf(toolbar.filters ?? []), ...(toolbar.besides ?? [])];
  const empty = isAnySet(names, values) ? <Empty title={noMatch} onClear={() => change(cleared(names))} /> : none;
  const list = <DataTable {...table} onSort={(sort) => change({ sort })} empty={empty} />;
  return (
    <>
      <SearchToolbar {...toolbar} values={values} onChange={change} />
      {children}
      {detail === undefined ? (
        list
      ) : (
        <DetailDrawer detail={detail ?? undefined} onClose={() => change({ open: undefined })}>
          {list}
        </DetailDrawer>
      )}
    </>
  );
};

interface LocalTableProps<T> {
  readonly toolbar: Omit<SearchToolbarProps, 'values' | 'onChange'>;
  readonly table: Omit<VirtualTableProps<T>, 'onSort'>;
  /** Number of the rows, including those that the filters exclude. */
  readonly note: string;
  readonly values: Values;
  /** Title if no row matches, e.g. `No cluster matches`. */
  readonly noMatch: string;
}

/** List whose rows are all in the browser, with its toolbar. */
export const LocalTable = <T,>({ toolbar, table, note, values, noMatch }: LocalTableProps<T>) => {
  const change = useSearchChange();
  return (
    <>
      <SearchToolbar {...toolbar} values={values} onChange={change} />
      <div className="fso-table-note" role="status">
        {note}
      </div>
      {table.rows.length === 0 ? (
        <Empty title={noMatch} onClear={() => change(cleared(namesOf(toolbar.filters ?? [])))} />
      ) : (
        <VirtualTable {...table} onSort={(sort) => change({ sort })} />
      )}
    </>
  );
};
