/** Tables for spreadsheets and other programs. */

/**
 * Text that a spreadsheet would run as a formula, also after leading blanks
 * (https://owasp.org/www-community/attacks/CSV_Injection).
 */
const FORMULA = /^(?:[\t\r\n]|\s*[=+\-@＝＋－＠])/;

/** Value of a CSV cell; null and undefined are written as an empty cell. */
export type CsvCell = string | number | null | undefined;

/**
 * Formats a cell. Text that looks like a formula gets a leading apostrophe; numbers are unchanged.
 */
const cellOf = (value: CsvCell): string => {
  const text = String(value ?? '');
  const safe = typeof value === 'string' && FORMULA.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
};

/** Formats a row, with its line end (RFC 4180). */
export const csvLine = (cells: readonly CsvCell[]): string => `${cells.map(cellOf).join(',')}\r\n`;
