import { CompiledQuery, type Insertable, PostgresAdapter, type Transaction } from 'kysely';
import type { Schema } from '../schema.ts';
import { repeat } from '../sqlite/dialect.ts';
import { slices } from './statements.ts';

type Column<T extends keyof Schema> = keyof Insertable<Schema[T]> & string;

/** Handling of a row whose key exists already. By default its other columns are replaced. */
export interface OnConflict<T extends keyof Schema> {
  readonly key: readonly Column<T>[];
  /** The row stays as it is. */
  readonly keep?: true;
}

const isPostgres = (trx: Transaction<Schema>): boolean => trx.getExecutor().adapter instanceof PostgresAdapter;

const list = (columns: readonly string[]): string => columns.map((column) => `"${column}"`).join(', ');

/** Rows as one JSON text: of objects for PostgreSQL; of lists for SQLite, each with the values of one run. */
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

/** A list of values with a place for each. */
const places = (columns: readonly string[]): string => `(${columns.map(() => '?').join(', ')})`;

/** Selects the rows of the JSON text that is the only parameter. */
const selectRows = (table: string, columns: readonly string[]): string =>
  `select ${list(columns)} from json_populate_recordset(null::"${table}", $1)`;

const conflictClause = <T extends keyof Schema>(columns: readonly string[], { key, keep }: OnConflict<T>): string => {
  if (keep === true) return ` on conflict (${list(key)}) do nothing`;
  const replaced = (columns as readonly Column<T>[]).filter((column) => !key.includes(column));
  const settings = replaced.map((column) => `"${column}" = excluded."${column}"`);
  return ` on conflict (${list(key)}) do update set ${settings.join(', ')}`;
};

/** A statement with its rows. */
const statement = (trx: Transaction<Schema>, sql: string, { json }: JsonRows): CompiledQuery<Record<string, unknown>> => {
  const query = CompiledQuery.raw(sql, [json]) as CompiledQuery<Record<string, unknown>>;
  return isPostgres(trx) ? query : repeat(query, json);
};

/** The table that rows go to, and what happens there. */
interface Insertion<T extends keyof Schema> {
  readonly into: T;
  readonly onConflict?: OnConflict<T>;
  readonly returning?: readonly (keyof Schema[T] & string)[];
}

/**
 * Yields the statements that insert rows, all of the same columns. A statement takes its rows as one JSON text: so it reads the same whatever
 * their number, and costs the thread of the hub little more than that text. PostgreSQL takes all of them at once; for SQLite the statement of
 * one row runs for each, as its functions of JSON take three times as long.
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

/** Yields the statements that delete the rows with these values of some columns. */
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
