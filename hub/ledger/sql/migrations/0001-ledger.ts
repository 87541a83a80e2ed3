import { type Kysely, sql } from 'kysely';
import type { Migration } from 'kysely/migration';

/** SQL that differs between the two databases. */
interface Wording {
  /** Column type of an increasing number that is never reused. */
  readonly serial: string;
  /** Collation by bytes, which is the default of SQLite. */
  readonly bytewise: string;
  readonly moment: string;
  readonly appendOnly: readonly string[];
}

const POSTGRES: Wording = {
  serial: 'bigserial primary key',
  bytewise: 'text collate "C"',
  moment: 'timestamptz',
  appendOnly: [
    `create function audit_is_append_only() returns trigger language plpgsql as $$
    begin
      raise exception 'the audit log is append-only' using errcode = 'restrict_violation';
    end $$`,
    `create trigger audit_append_only before update or delete or truncate on audit
      for each statement execute function audit_is_append_only()`,
  ],
};

const refuse = (action: 'update' | 'delete'): string =>
  `create trigger audit_no_${action} before ${action} on audit begin select raise(abort, 'the audit log is append-only'); end`;

const SQLITE: Wording = {
  serial: 'integer primary key autoincrement',
  bytewise: 'text',
  moment: 'text',
  appendOnly: [refuse('update'), refuse('delete')],
};

const statementsIn = ({ serial, bytewise, moment, appendOnly }: Wording): readonly string[] => [
  `create table ledger_version (value bigint not null)`,
  `insert into ledger_version values (0)`,
  `create table replicas (
    id text primary key,
    batch bigint not null default 0,
    heartbeat ${moment} not null default current_timestamp
  )`,
  `create table state (
    name text primary key,
    json text not null,
    version bigint not null,
    writer text not null
  )`,
  `create table clusters (
    name text primary key,
    connected_by text,
    stream text,
    last_seen text,
    offered_revision text,
    acked_revision text,
    acked_digest text,
    nack_json text,
    report_json text,
    reported_seq bigint not null,
    version bigint not null,
    full_version bigint not null,
    writer text not null
  )`,
  `create index clusters_version on clusters (version)`,
  `create table policy_chunks (
    cluster text not null references clusters on delete cascade,
    chunk smallint not null,
    policies_json text not null,
    version bigint not null,
    primary key (cluster, chunk)
  )`,
  `create table deviations (
    cluster text not null references clusters on delete cascade,
    policy text not null,
    phase text not null,
    violations bigint not null,
    report_json text not null,
    primary key (cluster, policy)
  )`,
  `create table events (
    id ${serial},
    cluster text,
    policy text,
    severity text not null,
    reason text not null,
    received ${bytewise} not null,
    time_ms bigint not null,
    digest text not null unique,
    event_json text not null
  )`,
  `create index events_cluster on events (cluster, id)`,
  `create index events_policy on events (policy, id)`,
  `create index events_severity on events (severity, id)`,
  `create index events_received on events (received)`,
  `create index events_time on events (time_ms)`,
  `create table records (
    kind text not null,
    name text not null,
    value_json text,
    version bigint not null,
    primary key (kind, name)
  )`,
  `create index records_version on records (version)`,
  `create table audit (
    sequence bigint primary key,
    entry_json ${bytewise} not null
  )`,
  // An entry is canonical JSON. Its last field is the time, which always has 24 characters.
  `create index audit_time on audit (substr(entry_json, length(entry_json) - 25, 24))`,
  ...appendOnly,
  `create table checkpoints (
    sequence bigint not null,
    hash text not null,
    time text not null,
    key text not null,
    signature text not null,
    primary key (sequence, key)
  )`,
  `create table witnesses (
    cluster text primary key,
    sequence bigint not null,
    hash text not null,
    time text not null,
    key text not null,
    signature text not null,
    seen text not null
  )`,
];

/**
 * Creates the first tables of the ledger. A released migration is never changed; changes need a new
 * one.
 *
 * @param shared whether the database is PostgreSQL; else SQLite
 */
export const ledgerTables = (shared: boolean): Migration => ({
  up: async (db: Kysely<unknown>): Promise<void> => {
    for (const statement of statementsIn(shared ? POSTGRES : SQLITE)) await sql.raw(statement).execute(db);
  },
});
