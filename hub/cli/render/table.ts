import { type Paint, paintState, plain } from './text.ts';

export interface Column<T> {
  readonly title: string;
  readonly value: (row: T) => string;
  /** Only with `-o wide`. */
  readonly wide?: boolean;
}

/** Columns as wide as their longest cell, two spaces apart, nothing behind the last one. */
export const renderTable = <T>(columns: readonly Column<T>[], rows: readonly T[], paint: Paint): string => {
  const cells = [columns.map(({ title }) => title), ...rows.map((row) => columns.map(({ value }) => plain(value(row))))];
  const widths = columns.map((_, at) => Math.max(...cells.map((line) => line[at]?.length ?? 0)));
  // Padding first: escape codes have no width.
  const pad = (cell: string, at: number): string => {
    const gap = at === columns.length - 1 ? '' : ' '.repeat((widths[at] ?? 0) - cell.length + 2);
    return paintState(paint, cell) + gap;
  };
  return cells.map((line) => `${line.map(pad).join('').trimEnd()}\n`).join('');
};

/** `key:  value` lines with the values aligned. */
export const renderFacts = (facts: readonly (readonly [string, string])[], paint: Paint): string => {
  const width = Math.max(...facts.map(([key]) => key.length)) + 3;
  return facts
    .map(([key, value]) => `${`${key}:`.padEnd(width)}${paintState(paint, plain(value))}`.trimEnd())
    .join('\n')
    .concat('\n');
};
