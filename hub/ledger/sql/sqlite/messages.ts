// biome-ignore lint/correctness/noUnresolvedImports: part of Node.js.
import type { SQLInputValue } from 'node:sqlite';

/** Parameter of a statement. */
export type Value = SQLInputValue;

/** Statement for the SQLite thread. */
export interface Statement {
  readonly sql: string;
  readonly parameters: readonly Value[];
  /**
   * Whether the statement runs once per row. Its only parameter is then a JSON array of parameter
   * arrays.
   */
  readonly repeats: boolean;
}

/** Operation of a connection. Statements run in order; none runs after one that failed. */
export type Operation = { readonly open: OpenConnection } | { readonly close: true } | { readonly statements: readonly Statement[] };

/** Database file to open, with options. */
export interface OpenConnection {
  readonly path: string;
  readonly readOnly: boolean;
  /** Time that a statement waits for a lock of another process, in milliseconds. */
  readonly lockMs: number;
  /** Statements that run first. */
  readonly pragmas: readonly string[];
}

/** Request to the SQLite thread. `connection` is a number chosen by the client. */
export type Request = { readonly id: number; readonly connection: number } & Operation;

/** Result of one statement. */
export interface Result {
  readonly rows: unknown[];
  /** Number of rows inserted, updated or deleted. */
  readonly changes: number;
}

/** Response of the SQLite thread. `code`: a result code of SQLite; 0: none. */
export type Response =
  | { readonly id: number; readonly results: readonly Result[] }
  | { readonly id: number; readonly error: { readonly message: string; readonly code: number } };
