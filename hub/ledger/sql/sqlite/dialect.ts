import {
  CompiledQuery,
  type DatabaseConnection,
  type Dialect,
  type Driver,
  type QueryResult,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
  type Transaction,
} from 'kysely';
import type { Database, RowsOf, Schema } from '../schema.ts';
import type { SqliteConnection } from './client.ts';
import type { Result, Statement, Value } from './messages.ts';

const toValue = (value: unknown): Value => (value === undefined ? null : (value as Value));

/** Query that runs once per row of parameters. */
interface RepeatedQuery<R> extends CompiledQuery<R> {
  readonly repeats: true;
}

/** Repeats a query for each row. @param rows JSON array with the parameter array of each row */
export const repeat = <R>(query: CompiledQuery<R>, rows: string): RepeatedQuery<R> => ({ ...query, parameters: [rows], repeats: true });

const statementOf = (query: CompiledQuery): Statement => ({
  sql: query.sql,
  parameters: query.parameters.map(toValue),
  repeats: 'repeats' in query,
});

/** Creates a statement without parameters. */
export const withoutParameters = (sql: string): Statement => ({ sql, parameters: [], repeats: false });

/** Several queries as one. Its rows are the row lists of the queries. */
interface QueryList extends CompiledQuery {
  readonly queries: readonly CompiledQuery[];
  /** Whether the transaction is committed after them. */
  readonly isLast: boolean;
}

const isList = (query: CompiledQuery): query is QueryList => 'queries' in query;

/**
 * Implements {@link Database.runAll} with one message to the thread and one back, for any number of
 * queries.
 */
export const runAsList: Database['runAll'] = async <const Q extends readonly CompiledQuery[]>(trx: Transaction<Schema>, queries: Q) => {
  const list: QueryList = { ...CompiledQuery.raw(''), queries, isLast: false };
  return (await trx.executeQuery(list)).rows as unknown as RowsOf<Q>;
};

/**
 * Implements {@link Database.runLast}: one message to the thread carries the last queries and the
 * commit.
 */
export const runAndCommit: Database['runLast'] = async (trx, queries) => {
  const list: QueryList = { ...CompiledQuery.raw(''), queries, isLast: true };
  await trx.executeQuery(list);
};

const COMMIT = withoutParameters('commit');
const NOTHING: Result = { rows: [], changes: 0 };

/**
 * Adapter that allows DDL in transactions, so that a migration runs completely or not
 * (https://www.sqlite.org/transactional.html).
 */
class TransactionalAdapter extends SqliteAdapter {
  override get supportsTransactionalDdl(): boolean {
    return true;
  }
}

class ThreadDriver implements Driver {
  readonly #connection: SqliteConnection;
  readonly #database: DatabaseConnection;
  readonly #begin: string;
  /** Whether a transaction begins with the next statement, in the same message. */
  #isToBegin: boolean = false;
  /** Whether the transaction was committed together with its last queries. */
  #isCommitted: boolean = false;

  constructor(connection: SqliteConnection, begin: string) {
    this.#connection = connection;
    this.#begin = begin;
    this.#database = {
      executeQuery: async <R>(query: CompiledQuery): Promise<QueryResult<R>> => {
        if (isList(query)) return { rows: (await this.#runList(query)).map(({ rows }) => rows) as R[] };
        const [{ rows, changes } = NOTHING] = await this.#run([statementOf(query)]);
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
  async beginTransaction(): Promise<void> {
    this.#isToBegin = true;
    this.#isCommitted = false;
  }
  async commitTransaction(): Promise<void> {
    await this.#end('commit');
  }
  async rollbackTransaction(): Promise<void> {
    await this.#end('rollback');
  }
  async releaseConnection(): Promise<void> {}
  async destroy(): Promise<void> {
    await this.#connection.close();
  }

  async #runList({ queries, isLast }: QueryList): Promise<readonly Result[]> {
    const statements = queries.map(statementOf);
    if (!isLast) return this.#run(statements);
    const results = await this.#run([...statements, COMMIT]);
    this.#isCommitted = true;
    return results.slice(0, -1);
  }

  async #run(statements: readonly Statement[]): Promise<readonly Result[]> {
    const first: Statement[] = this.#isToBegin ? [withoutParameters(this.#begin)] : [];
    this.#isToBegin = false;
    const results = await this.#connection.run([...first, ...statements]);
    return results.slice(first.length);
  }

  async #end(sql: 'commit' | 'rollback'): Promise<void> {
    const isOpen = !this.#isToBegin && !this.#isCommitted;
    this.#isToBegin = false;
    if (isOpen) await this.#connection.run([withoutParameters(sql)]);
  }
}

/**
 * Creates the Kysely dialect for SQLite on another thread.
 *
 * @param begin writers use `begin immediate`, as a transaction that reads first and writes later
 * could fail; readers use `begin`
 */
export const sqliteDialect = (connection: SqliteConnection, begin: 'begin' | 'begin immediate'): Dialect => ({
  createAdapter: () => new TransactionalAdapter(),
  createDriver: () => new ThreadDriver(connection, begin),
  createIntrospector: (db) => new SqliteIntrospector(db),
  createQueryCompiler: () => new SqliteQueryCompiler(),
});
