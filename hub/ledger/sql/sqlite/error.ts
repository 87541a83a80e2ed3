/**
 * Names of the primary result codes that callers distinguish (https://www.sqlite.org/rescode.html).
 */
const NAMES: Readonly<Record<number, string>> = {
  5: 'SQLITE_BUSY',
  7: 'SQLITE_NOMEM',
  8: 'SQLITE_READONLY',
  10: 'SQLITE_IOERR',
  11: 'SQLITE_CORRUPT',
  13: 'SQLITE_FULL',
  14: 'SQLITE_CANTOPEN',
  18: 'SQLITE_TOOBIG',
  19: 'SQLITE_CONSTRAINT',
  20: 'SQLITE_MISMATCH',
  26: 'SQLITE_NOTADB',
};

/** Error that SQLite returned. */
export class SqliteError extends Error {
  override readonly name = 'SqliteError';
  /** Name of the primary result code, such as `SQLITE_FULL`. */
  readonly code: string;

  /** @param result primary or extended result code */
  constructor(message: string, result: number) {
    super(message);
    this.code = NAMES[result & 0xff] ?? `SQLITE_${result & 0xff}`;
  }
}
