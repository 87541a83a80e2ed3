import { Table, type TableProps, Tbody, Td, Th, Thead, Tr, type TrProps } from '@patternfly/react-table';
import type { Column } from './virtual-table.tsx';

interface PlainColumn<T> extends Pick<Column<T>, 'title' | 'cell' | 'width'> {
  readonly className?: string;
  /** Whether the column names its row. */
  readonly isName?: boolean;
  /** Whether only screen readers get the title. */
  readonly isUntitled?: boolean;
}

export interface PlainTableProps<T> extends Pick<TableProps, 'borders' | 'className' | 'gridBreakPoint'> {
  /** Accessible name. */
  readonly label: string;
  readonly rows: readonly T[];
  readonly columns: readonly PlainColumn<T>[];
  readonly rowKey: (row: T) => string;
  readonly rowProps?: (row: T) => Omit<TrProps, 'ref'>;
}

/** Table of a few rows, all of them in the document. Each is a card on a narrow screen. */
export const PlainTable = <T,>({ label, rows, columns, rowKey, rowProps, ...look }: PlainTableProps<T>) => (
  <Table aria-label={label} variant="compact" gridBreakPoint="grid-md" {...look}>
    <Thead>
      <Tr>
        {columns.map(({ title, width, className = '', isUntitled }) => (
          <Th
            key={title}
            className={className}
            {...(width && { width })}
            {...(isUntitled ? { screenReaderText: title } : { children: title })}
          />
        ))}
      </Tr>
    </Thead>
    <Tbody>
      {rows.map((row) => (
        <Tr key={rowKey(row)} {...rowProps?.(row)}>
          {columns.map(({ title, cell, className = '', isName }) => (
            <Td key={title} dataLabel={title} className={className} {...(isName ? { component: 'th', scope: 'row' } : {})}>
              {cell(row)}
            </Td>
          ))}
        </Tr>
      ))}
    </Tbody>
  </Table>
);
