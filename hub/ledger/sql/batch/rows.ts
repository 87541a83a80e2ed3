import { type CompiledQuery, type Insertable, type Kysely, PostgresAdapter, type RawBuilder, sql, type Transaction } from 'kysely';
import type { Schema } from '../schema.ts';
import { slices } from './statements.ts';

type Column<T extends keyof Schema> = keyof Insertable<Schema[T]> & string;

/** What becomes of a row whose key is there already: its other columns are replaced. */
export interface OnConflict<T extends keyof Schema> {
  readonly key: readonly Column<T>[];
  /** The row stays as it is. */
  readonly keep?: true;
  /** Columns that become something else than what would have been inserted. */
  readonly set?: Readonly<Partial<Record<Column<T>, RawBuilder<unknown>>>>;
}

const refs = (columns: readonly string[]): RawBuilder<unknown> => sql.join(columns.map((column) => sql.ref(column)));

/** Selects the columns of rows that are given as one JSON text, as those of a table. */
const selectRows = (db: Kysely<Schema>, table: keyof Schema, { columns, json }: JsonRows): RawBuilder<unknown> =>
  db.getExecutor().adapter instanceof PostgresAdapter
    ? sql`select ${refs(columns)} from json_populate_recordset(null::${sql.table(table)}, ${json})`
    : sql`select ${sql.join(columns.map((column) => sql`value ->> ${sql.lit(column)} as ${sql.ref(column)}`))} from json_each(${json}) where true`;

interface JsonRows {
  readonly columns: readonly string[];
  readonly json: string;
}

function* jsonOf(rows: Iterable<object>): Generator<JsonRows> {
  let columns: readonly string[] = [];
  function* texts(): Generator<string> {
    for (const row of rows) {
      if (columns.length === 0) columns = Object.keys(row);
      yield JSON.stringify(row);
    }
  }
  for (const some of slices(texts(), (text) => text.length)) yield { columns, json: `[${some.join(',')}]` };
}

const conflictClause = <T extends keyof Schema>(columns: readonly string[], { key, keep, set }: OnConflict<T>): RawBuilder<unknown> => {
  if (keep === true) return sql` on conflict (${refs(key)}) do nothing`;
  const replaced = (columns as readonly Column<T>[]).filter((column) => !key.includes(column));
  const settings = replaced.map((column) => sql`${sql.ref(column)} = ${set?.[column] ?? sql.ref(`excluded.${column}`)}`);
  return sql` on conflict (${refs(key)}) do update set ${sql.join(settings)}`;
};

/** The table that rows go to, and what happens there. */
interface Insertion<T extends keyof Schema> {
  readonly into: T;
  readonly onConflict?: OnConflict<T>;
  readonly returning?: readonly (keyof Schema[T] & string)[];
}

/**
 * Yields the statements that insert rows, all of the same columns. A statement takes its rows as one JSON text: so it reads the same whatever
 * their number, and costs the thread of the hub little more than that text.
 */
export function* insertRows<T extends keyof Schema>(
  trx: Transaction<Schema>,
  { into, onConflict, returning }: Insertion<T>,
  rows: Iterable<Insertable<Schema[T]>>,
): Generator<CompiledQuery<Record<string, unknown>>> {
  for (const some of jsonOf(rows)) {
    const conflict = onConflict === undefined ? sql`` : conflictClause(some.columns, onConflict);
    const returned = returning === undefined ? sql`` : sql` returning ${refs(returning)}`;
    const insert = sql`insert into ${sql.table(into)} (${refs(some.columns)}) ${selectRows(trx, into, some)}`;
    yield sql<Record<string, unknown>>`${insert}${conflict}${returned}`.compile(trx);
  }
}

/** Yields the statements that delete the rows with these values of some columns. */
export function* deleteRows<T extends keyof Schema>(
  trx: Transaction<Schema>,
  from: T,
  rows: Iterable<Partial<Insertable<Schema[T]>>>,
): Generator<CompiledQuery> {
  for (const some of jsonOf(rows))
    yield sql`delete from ${sql.table(from)} where (${refs(some.columns)}) in (${selectRows(trx, from, some)})`.compile(trx);
}

/** Rows to select from: some columns of a table, with values that are given. */
export const givenRows = <T extends keyof Schema, C extends Column<T>>(
  db: Kysely<Schema>,
  like: T,
  rows: readonly Pick<Insertable<Schema[T]>, C>[],
): RawBuilder<Pick<Insertable<Schema[T]>, C>> =>
  sql`(${selectRows(db, like, { columns: Object.keys(rows[0] ?? {}), json: JSON.stringify(rows) })})`;
