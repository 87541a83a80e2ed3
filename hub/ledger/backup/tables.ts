import { type Kysely, sql } from 'kysely';
import { SESSION_KIND } from '../keyed-store.ts';
import { RETENTION } from '../sql/history.ts';
import type { Schema } from '../sql/schema.ts';

/**
 * Tables of a backup, in the order in which they can be filled, with their keys. Replicas are of the moment and stay out, and so are sessions
 * and the time by which the history ages.
 */
export const TABLES = [
  { name: 'state', key: ['name'] },
  { name: 'clusters', key: ['name'] },
  { name: 'policy_chunks', key: ['cluster', 'chunk'] },
  { name: 'deviations', key: ['cluster', 'policy'] },
  { name: 'cluster_history', key: ['id'] },
  { name: 'events', key: ['id'] },
  { name: 'records', key: ['kind', 'name'] },
  { name: 'audit', key: ['sequence'] },
  { name: 'checkpoints', key: ['sequence', 'key'] },
  { name: 'witnesses', key: ['cluster'] },
] as const satisfies readonly { name: keyof Schema; key: readonly string[] }[];

export type Row = Readonly<Record<string, unknown>>;

const PAGE = 1_000;

/** Rows of a table that a backup has. */
const isKept = (name: string) =>
  name === 'records' ? sql`kind <> ${SESSION_KIND} and (kind, name) <> (${RETENTION.kind}, ${RETENTION.name})` : sql`true`;

/** All rows of a table that a backup has, in the order of its key, a page at a time. */
export async function* readTable(db: Kysely<Schema>, { name, key }: (typeof TABLES)[number]): AsyncGenerator<Row> {
  const columns = sql.join(key.map((column) => sql.ref(column)));
  let last: Row | undefined;
  for (;;) {
    const from = last;
    const after = from === undefined ? sql`true` : sql`(${columns}) > (${sql.join(key.map((column) => from[column]))})`;
    const { rows } =
      await sql<Row>`select * from ${sql.table(name)} where ${isKept(name)} and ${after} order by ${columns} limit ${PAGE}`.execute(db);
    yield* rows;
    last = rows.at(-1);
    if (rows.length < PAGE) return;
  }
}
