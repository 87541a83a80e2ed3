import { type Paint, paintState, withoutControls } from './text.ts';

/** Output of a command. */
export interface Terminal {
  /** Writes results. */
  readonly out: (text: string) => void;
  /** Writes messages for the user. */
  readonly progress: (text: string) => void;
  readonly paint: Paint;
}

/** Formats of `-o`. */
export const FORMATS = ['table', 'wide', 'json', 'yaml'] as const;
/** Output format of a command, as named by `--output`. */
export type Format = (typeof FORMATS)[number];

/** Column of a table. */
export interface Column<T> {
  readonly title: string;
  readonly value: (row: T) => string;
  /** Whether it is shown only with `-o wide`. */
  readonly wide?: boolean;
}

/**
 * Renders a table. Columns are as wide as their longest cell and two spaces apart, without trailing
 * spaces.
 */
export const renderTable = <T>(columns: readonly Column<T>[], rows: readonly T[], paint: Paint): string => {
  const cells = [columns.map(({ title }) => title), ...rows.map((row) => columns.map(({ value }) => withoutControls(value(row))))];
  const widths = columns.map((_, at) => Math.max(...cells.map((line) => line[at]?.length ?? 0)));
  // Padded before colouring, because escape codes have no width.
  const pad = (cell: string, at: number): string => {
    const gap = at === columns.length - 1 ? '' : ' '.repeat((widths[at] ?? 0) - cell.length + 2);
    return paintState(paint, cell) + gap;
  };
  return cells.map((line) => `${line.map(pad).join('').trimEnd()}\n`).join('');
};

/** Names and values. A fact without a value is left out. */
export type Facts = readonly (readonly [name: string, value: string | undefined])[];

/** Writes lines `name:  value` with aligned values. */
export const writeFacts = ({ out, paint }: Pick<Terminal, 'out' | 'paint'>, facts: Facts): void => {
  const known = facts.flatMap(([name, value]): [string, string][] => (value === undefined ? [] : [[name, value]]));
  const width = Math.max(...known.map(([name]) => name.length)) + 3;
  for (const [name, value] of known) out(`${`${name}:`.padEnd(width)}${paintState(paint, withoutControls(value))}`.trimEnd().concat('\n'));
};

/** Writes the complete answer of the hub, for programs. */
export const writeData = async (terminal: Terminal, format: 'json' | 'yaml', data: unknown): Promise<void> => {
  if (format === 'json') return terminal.out(`${JSON.stringify(data, null, 2)}\n`);
  const { stringify } = await import('yaml');
  // The tools of Kubernetes read YAML 1.1, in which a bare `no` is false.
  terminal.out(stringify(data, { version: '1.1', aliasDuplicateObjects: false }));
};

/** Writes rows as a table, JSON or YAML. */
export const writeRows = async <T>(
  terminal: Terminal,
  format: Format,
  rows: readonly T[],
  columns: readonly Column<T>[],
): Promise<void> => {
  if (format === 'json' || format === 'yaml') return writeData(terminal, format, rows);
  // Written to stderr, so that scripts that read the table get no rows.
  if (rows.length === 0) return terminal.progress('Nothing found.\n');
  const shown = columns.filter(({ wide }) => wide !== true || format === 'wide');
  terminal.out(renderTable(shown, rows, terminal.paint));
};
