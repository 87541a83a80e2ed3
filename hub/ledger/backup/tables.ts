import { type Kysely, sql } from 'kysely';
import { LOGIN_LINK_KIND, SESSION_KIND } from '../keyed-store.ts';
import { RETENTION } from '../sql/history/history.ts';
import type { Schema } from '../sql/schema.ts';

/**
 * Tables of a backup with their keys, in an order in which they can be filled. Replicas, sessions
 * and the time for retention are left out, because they describe the present.
 */
export const TABLES = [
  { name: 'state', key: ['name'] },
  { name: 'clusters', key: ['name'] },
  { name: 'policy_lists', key: ['digest'], page: 20 },
  { name: 'reports', key: ['cluster', 'policy'] },
  { name: 'cluster_history', key: ['id'] },
  { name: 'events', key: ['id'] },
  { name: 'records', key: ['kind', 'name'] },
  { name: 'audit', key: ['sequence'] },
  { name: 'checkpoints', key: ['sequence', 'key'] },
  { name: 'witnesses', key: ['cluster'] },
] as const satisfies readonly BackupTable[];

interface BackupTable {
  readonly name: keyof Schema;
  readonly key: readonly string[];
  /** Number of rows read at a time; default: {@link PAGE}. A row of a large list has 280 KB. */
  readonly page?: number;
}

/** Row of a table, by column. */
export type Row = Readonly<Record<string, unknown>>;

const PAGE = 1_000;

/** Returns the condition for the rows of a table that a backup includes. */
const isKept = (name: string) =>
  name === 'records'
    ? sql`kind not in (${SESSION_KIND}, ${LOGIN_LINK_KIND}) and (kind, name) <> (${RETENTION.kind}, ${RETENTION.name})`
    : sql`true`;

/** Reads all rows of a table in the order of its key, a page at a time. */
export async function* readTable(db: Kysely<Schema>, { name, key, page = PAGE }: BackupTable): AsyncGenerator<Row> {
  const columns = sql.join(key.map((column) => sql.ref(column)));
  let last: Row | undefined;
  for (;;) {
    const from = last;
    const after = from === undefined ? sql`true` : sql`(${columns}) > (${sql.join(key.map((column) => from[column]))})`;
    const { rows } =
      await sql<Row>`select * from ${sql.table(name)} where ${isKept(name)} and ${after} order by ${columns} limit ${page}`.execute(db);
    yield* rows;
    last = rows.at(-1);
    if (rows.length < page) return;
  }
}
