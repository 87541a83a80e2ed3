// biome-ignore lint/correctness/noUnresolvedImports: part of Node.js.
import type { SQLInputValue } from 'node:sqlite';

/** Parameter of a statement. */
export type Value = SQLInputValue;

/** A statement for the thread of SQLite. */
export interface Statement {
  readonly sql: string;
  readonly parameters: readonly Value[];
  /** The only parameter is JSON of a list of lists: the statement runs with each of them. */
  readonly repeats: boolean;
}

/**
 * Operation of a connection. Each statement waits for the one before it, and none runs after one
 * that fails.
 */
export type Operation = { readonly open: OpenConnection } | { readonly close: true } | { readonly statements: readonly Statement[] };

/** File that the thread of SQLite opens, and how. */
export interface OpenConnection {
  readonly path: string;
  readonly readOnly: boolean;
  /** Time that a statement waits for a lock of another process, in milliseconds. */
  readonly lockMs: number;
  /** Statements that run first. */
  readonly pragmas: readonly string[];
}

/** Request to the thread of SQLite. `connection` is a number that the client chooses. */
export type Request = { readonly id: number; readonly connection: number } & Operation;

/** Rows and changes of one statement. */
export interface Result {
  readonly rows: unknown[];
  /** Rows that were inserted, updated or deleted. */
  readonly changes: number;
}

/** Response of the thread of SQLite. `code`: a result code of SQLite; 0 = none. */
export type Response =
  | { readonly id: number; readonly results: readonly Result[] }
  | { readonly id: number; readonly error: { readonly message: string; readonly code: number } };
