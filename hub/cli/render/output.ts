import type { Context } from '../context.ts';
import { type Column, renderTable } from './table.ts';

export const FORMATS = ['table', 'wide', 'json', 'yaml'] as const;
export type Format = (typeof FORMATS)[number];

/** Writes what the hub sent, whole, for programs. */
export const writeData = async (context: Context, format: 'json' | 'yaml', data: unknown): Promise<void> => {
  if (format === 'json') return context.out(`${JSON.stringify(data, null, 2)}\n`);
  const { stringify } = await import('yaml');
  // What Kubernetes' own tools read is YAML 1.1, to which a bare `no` is false.
  context.out(stringify(data, { version: '1.1', aliasDuplicateObjects: false }));
};

export const writeRows = async <T>(context: Context, format: Format, rows: readonly T[], columns: readonly Column<T>[]): Promise<void> => {
  if (format === 'json' || format === 'yaml') return writeData(context, format, rows);
  // Said on stderr, so that a script that reads the table sees no rows.
  if (rows.length === 0) return context.progress('Nothing found.\n');
  const shown = columns.filter(({ wide }) => wide !== true || format === 'wide');
  context.out(renderTable(shown, rows, context.paint));
};
