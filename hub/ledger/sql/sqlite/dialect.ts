import {
  CompiledQuery,
  type DatabaseConnection,
  type Dialect,
  type Driver,
  type QueryResult,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
} from 'kysely';
import type { SqliteConnection } from './client.ts';
import type { Value } from './messages.ts';

const toValue = (value: unknown): Value => (value === undefined ? null : (value as Value));

/** Tables can be made within a transaction, so that a migration is done as a whole or leaves nothing (https://www.sqlite.org/transactional.html). */
class TransactionalAdapter extends SqliteAdapter {
  override get supportsTransactionalDdl(): boolean {
    return true;
  }
}

class ThreadDriver implements Driver {
  readonly #connection: SqliteConnection;
  readonly #database: DatabaseConnection;
  readonly #begin: string;

  constructor(connection: SqliteConnection, begin: string) {
    this.#connection = connection;
    this.#begin = begin;
    this.#database = {
      executeQuery: async <R>({ sql, parameters }: CompiledQuery): Promise<QueryResult<R>> => {
        const { rows, changes } = await connection.run(sql, parameters.map(toValue));
        return { rows: rows as R[], numAffectedRows: BigInt(changes) };
      },
      streamQuery: () => {
        throw new Error('rows are read a page at a time');
      },
    };
  }

  async init(): Promise<void> {}
  async acquireConnection(): Promise<DatabaseConnection> {
    return this.#database;
  }
  async beginTransaction(connection: DatabaseConnection): Promise<void> {
    await connection.executeQuery(CompiledQuery.raw(this.#begin));
  }
  async commitTransaction(connection: DatabaseConnection): Promise<void> {
    await connection.executeQuery(CompiledQuery.raw('commit'));
  }
  async rollbackTransaction(connection: DatabaseConnection): Promise<void> {
    await connection.executeQuery(CompiledQuery.raw('rollback'));
  }
  async releaseConnection(): Promise<void> {}
  async destroy(): Promise<void> {
    await this.#connection.close();
  }
}

/**
 * Kysely's SQLite on a connection of another thread.
 *
 * @param begin a writer begins with `begin immediate`, as a transaction that reads first and then writes can fail; a reader with `begin`
 */
export const sqliteDialect = (connection: SqliteConnection, begin: 'begin' | 'begin immediate'): Dialect => ({
  createAdapter: () => new TransactionalAdapter(),
  createDriver: () => new ThreadDriver(connection, begin),
  createIntrospector: (db) => new SqliteIntrospector(db),
  createQueryCompiler: () => new SqliteQueryCompiler(),
});
