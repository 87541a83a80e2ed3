import { Table, Tbody, Td, Th, Thead, Tr } from '@patternfly/react-table';
import { useVirtualizer } from '@tanstack/react-virtual';
import { memo, type ReactNode, useEffect, useRef } from 'react';
import { sortOf } from '../../lib/filters.ts';

const ROW_PX = 53;
/** Rows drawn above and below the visible ones. */
const OVERSCAN = 10;

export interface Column<T> {
  readonly title: string;
  readonly cell: (row: T) => ReactNode;
  /** Sort key of the API; absent if the hub does not sort by this column. */
  readonly sort?: string;
  /** Per cent of the table's width. Columns without a width share the rest. */
  readonly width?: 10 | 15 | 20 | 25 | 30 | 35 | 40 | 45 | 50;
}

export interface VirtualTableProps<T> {
  /** Accessible name, e.g. `Clusters`. */
  readonly label: string;
  readonly rows: readonly T[];
  /** Total number of rows, if not all are here; default: the number of `rows`. */
  readonly total?: number;
  readonly columns: readonly Column<T>[];
  readonly rowKey: (row: T) => string;
  /** Key of the column that the rows are sorted by, with `-` before it for descending order. */
  readonly sort?: string | undefined;
  readonly onSort?: ((sort: string) => void) | undefined;
  /** Called while the last rows are in view. */
  readonly onNearEnd?: (() => unknown) | undefined;
}

/**
 * Table whose rows are all in memory. Only those on screen are in the document. Each is a card on a
 * narrow screen.
 */
export const VirtualTable = <T,>(props: VirtualTableProps<T>) => {
  const { label, rows, total = rows.length, columns, rowKey, sort, onSort, onNearEnd } = props;
  const scroller = useRef<HTMLElement>(null);
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW_PX,
    overscan: OVERSCAN,
    getItemKey: (index) => keyAt(rows, rowKey, index),
  });
  const items = virtual.getVirtualItems();
  const isNearEnd = (items.at(-1)?.index ?? 0) >= rows.length - OVERSCAN;
  useEffect(() => {
    if (isNearEnd) onNearEnd?.();
  }, [isNearEnd, onNearEnd]);
  const before = items[0]?.start ?? 0;
  const after = virtual.getTotalSize() - (items.at(-1)?.end ?? 0);
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a scrollable area must be scrollable by keyboard.
    <section className="fso-table" ref={scroller} tabIndex={0} aria-label={label}>
      <Table aria-label={label} aria-rowcount={total + 1} variant="compact" isStickyHeader gridBreakPoint="grid-md">
        <Thead>
          <Tr aria-rowindex={1}>
            {columns.map((column, index) => (
              <Th key={column.title} modifier="wrap" {...widthOf(column)} {...sortOf(columns, index, sort, onSort)}>
                {column.title}
              </Th>
            ))}
          </Tr>
        </Thead>
        <Tbody>
          <Gap height={before} columns={columns.length} />
          {items.map((item) => (
            <Row key={item.key} index={item.index} row={rows[item.index]} columns={columns} measure={virtual.measureElement} />
          ))}
          <Gap height={after} columns={columns.length} />
        </Tbody>
      </Table>
    </section>
  );
};

const keyAt = <T,>(rows: readonly T[], rowKey: (row: T) => string, index: number): string | number => {
  const row = rows[index];
  return row === undefined ? index : rowKey(row);
};

const widthOf = <T,>({ width }: Column<T>) => (width === undefined ? {} : { width });

interface RowProps<T> {
  readonly index: number;
  readonly row: T | undefined;
  readonly columns: readonly Column<T>[];
  readonly measure: (element: Element | null) => void;
}

const PlainRow = <T,>({ index, row, columns, measure }: RowProps<T>) =>
  row === undefined ? null : (
    <Tr ref={measure} data-index={index} aria-rowindex={index + 2}>
      {columns.map(({ title, cell }) => (
        <Td key={title} dataLabel={title}>
          <div>{cell(row)}</div>
        </Td>
      ))}
    </Tr>
  );

/** Memoized row. The table renders for each frame of a scroll. */
const Row = memo(PlainRow) as typeof PlainRow;

/** Keeps the space of the rows that are not drawn. */
const Gap = ({ height, columns }: { readonly height: number; readonly columns: number }) =>
  height <= 0 ? null : (
    <Tr aria-hidden className="fso-gap">
      <Td colSpan={columns} style={{ height }} />
    </Tr>
  );
