import type { Database } from '../database.ts';

/** A database that a test has for itself; `close` takes away all of it. */
export interface TestDatabase {
  readonly database: Database;
  close(): Promise<void>;
}
