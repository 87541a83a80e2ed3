import { CompiledQuery, type Insertable, PostgresAdapter, type Transaction } from 'kysely';
import type { Schema } from '../schema.ts';
import { repeat } from '../sqlite/dialect.ts';
import { slices } from './statements.ts';

type Column<T extends keyof Schema> = keyof Insertable<Schema[T]> & string;

/** Handling of rows whose key already exists. Default: the other columns are replaced. */
export interface OnConflict<T extends keyof Schema> {
  readonly key: readonly Column<T>[];
  /** Keeps the existing row. */
  readonly keep?: true;
}

const isPostgres = (trx: Transaction<Schema>): boolean => trx.getExecutor().adapter instanceof PostgresAdapter;

const list = (columns: readonly string[]): string => columns.map((column) => `"${column}"`).join(', ');

/**
 * Rows as JSON: objects for PostgreSQL; for SQLite arrays, each with the parameters of one
 * execution.
 */
interface JsonRows {
  readonly columns: readonly string[];
  readonly json: string;
}

function* jsonOf(trx: Transaction<Schema>, rows: Iterable<object>): Generator<JsonRows> {
  const isObjects = isPostgres(trx);
  let columns: readonly string[] = [];
  function* texts(): Generator<string> {
    for (const row of rows) {
      if (columns.length === 0) columns = Object.keys(row);
      yield JSON.stringify(isObjects ? row : columns.map((column) => Reflect.get(row, column)));
    }
  }
  for (const some of slices(texts(), (text) => text.length)) yield { columns, json: `[${some.join(',')}]` };
}

/** Returns a list of placeholders, one per column. */
const places = (columns: readonly string[]): string => `(${columns.map(() => '?').join(', ')})`;

/** Selects the rows of the JSON text, which is the only parameter. */
const selectRows = (table: string, columns: readonly string[]): string =>
  `select ${list(columns)} from json_populate_recordset(null::"${table}", $1)`;

const conflictClause = <T extends keyof Schema>(columns: readonly string[], { key, keep }: OnConflict<T>): string => {
  if (keep === true) return ` on conflict (${list(key)}) do nothing`;
  const replaced = (columns as readonly Column<T>[]).filter((column) => !key.includes(column));
  const settings = replaced.map((column) => `"${column}" = excluded."${column}"`);
  return ` on conflict (${list(key)}) do update set ${settings.join(', ')}`;
};

/** Creates a statement with its rows. */
const statement = (trx: Transaction<Schema>, sql: string, { json }: JsonRows): CompiledQuery<Record<string, unknown>> => {
  const query = CompiledQuery.raw(sql, [json]) as CompiledQuery<Record<string, unknown>>;
  return isPostgres(trx) ? query : repeat(query, json);
};

/** Target table of rows, and what to do on conflicts. */
interface Insertion<T extends keyof Schema> {
  readonly into: T;
  readonly onConflict?: OnConflict<T>;
  readonly returning?: readonly (keyof Schema[T] & string)[];
}

/**
 * Yields the statements that insert rows with the same columns. The rows of a statement are one
 * JSON parameter, so the SQL does not depend on their number, and serializing is almost the only
 * work for the hub's thread. PostgreSQL inserts all rows at once. SQLite executes a single-row
 * statement for each row, because its JSON functions are three times as slow.
 */
export function* insertRows<T extends keyof Schema>(
  trx: Transaction<Schema>,
  { into, onConflict, returning }: Insertion<T>,
  rows: Iterable<Insertable<Schema[T]>>,
): Generator<CompiledQuery<Record<string, unknown>>> {
  for (const some of jsonOf(trx, rows)) {
    const { columns } = some;
    const values = isPostgres(trx) ? selectRows(into, columns) : `values ${places(columns)}`;
    const conflict = onConflict === undefined ? '' : conflictClause(columns, onConflict);
    const returned = returning === undefined ? '' : ` returning ${list(returning)}`;
    yield statement(trx, `insert into "${into}" (${list(columns)}) ${values}${conflict}${returned}`, some);
  }
}

/** Yields the statements that delete the rows with the given column values. */
export function* deleteRows<T extends keyof Schema>(
  trx: Transaction<Schema>,
  from: T,
  rows: Iterable<Partial<Insertable<Schema[T]>>>,
): Generator<CompiledQuery> {
  for (const some of jsonOf(trx, rows)) {
    const { columns } = some;
    const wanted = isPostgres(trx) ? `in (${selectRows(from, columns)})` : `= ${places(columns)}`;
    yield statement(trx, `delete from "${from}" where (${list(columns)}) ${wanted}`, some);
  }
}
