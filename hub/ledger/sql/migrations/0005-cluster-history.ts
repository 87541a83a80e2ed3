import { type Kysely, sql } from 'kysely';
import type { Migration } from 'kysely/migration';

const STATEMENTS = (serial: string) => [
  `create table cluster_history (
    id ${serial},
    cluster text not null,
    time text not null,
    changes_json text not null
  )`,
  `create index cluster_history_cluster on cluster_history (cluster, id)`,
  `alter table ledger_version add column history bigint not null default 0`,
  `alter table ledger_version add column history_time text`,
];

/** Adds the history of each cluster, and the version up to which it is complete. */
export const clusterHistory = (shared: boolean): Migration => ({
  up: async (db: Kysely<unknown>): Promise<void> => {
    const serial = shared ? 'bigserial primary key' : 'integer primary key autoincrement';
    for (const statement of STATEMENTS(serial)) await sql.raw(statement).execute(db);
  },
});
