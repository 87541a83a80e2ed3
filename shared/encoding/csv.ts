/** Tables for spreadsheets and other programs. */

/**
 * Beginning that a spreadsheet would take for that of a formula, also behind blanks
 * (https://owasp.org/www-community/attacks/CSV_Injection).
 */
const FORMULA = /^(?:[\t\r\n]|\s*[=+\-@＝＋－＠])/;

/** Value of a CSV cell; null and undefined are written as an empty cell. */
export type CsvCell = string | number | null | undefined;

/**
 * Text that a spreadsheet would take for a formula gets an apostrophe before it; numbers are what
 * they are.
 */
const cellOf = (value: CsvCell): string => {
  const text = String(value ?? '');
  const safe = typeof value === 'string' && FORMULA.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
};

/** Line of a table, with its end (RFC 4180). */
export const csvLine = (cells: readonly CsvCell[]): string => `${cells.map(cellOf).join(',')}\r\n`;
