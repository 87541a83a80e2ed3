import { type Kysely, type QueryExecutorProvider, sql } from 'kysely';
import type { Migration } from 'kysely/migration';

const STATEMENTS = [
  `create table policy_lists (
    digest text primary key,
    base text,
    depth integer not null,
    stored text not null,
    version bigint not null,
    list_json text not null
  )`,
  `create index policy_lists_version on policy_lists (version, digest)`,
  `create index policy_lists_base on policy_lists (base) where base is not null`,
  `alter table cluster_history add column list text`,
  `create index cluster_history_list on cluster_history (list) where list is not null`,
  `alter table clusters add column baseline_json text`,
  `alter table clusters add column diverged_since text`,
  `alter table clusters add column deviations_json text`,
  `alter table clusters add column not_kept bigint`,
  `alter table clusters drop column reported_digest`,
  `alter table clusters drop column kept_json`,
  `alter table clusters drop column full_version`,
  `drop table policy_chunks`,
  `drop table deviations`,
  `create table reports (
    cluster text not null references clusters on delete cascade,
    policy text not null,
    report_json text not null,
    primary key (cluster, policy)
  )`,
];

/**
 * Deletes what clusters reported of their policies before reports by exception. Agents report
 * again. Until then the history has a gap, because its version falls behind.
 */
export const forgetReports = async (db: QueryExecutorProvider): Promise<void> => {
  await sql`update clusters set reported_seq = 0, policies_changed = null`.execute(db);
  await sql`update ledger_version set value = value + 1`.execute(db);
};

/**
 * Stores each compiled policy list once, and per cluster only its deviations. Earlier reports are
 * deleted.
 */
export const policyLists: Migration = {
  up: async (db: Kysely<unknown>): Promise<void> => {
    for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
    await forgetReports(db);
  },
};
