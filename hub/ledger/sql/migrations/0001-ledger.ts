import { type Kysely, sql } from 'kysely';
import type { Migration } from 'kysely/migration';

const STATEMENTS = [
  `create sequence ledger_version`,
  `create table replicas (
    id text primary key,
    batch bigint not null default 0,
    heartbeat timestamptz not null default now()
  )`,
  `create table state (
    name text primary key,
    json text not null,
    version bigint not null,
    writer text not null
  )`,
  `create table clusters (
    name text primary key,
    connected boolean not null,
    connected_by text,
    last_seen timestamptz,
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
    violations integer not null,
    report_json text not null,
    primary key (cluster, policy)
  )`,
  `create table events (
    id bigserial primary key,
    cluster text,
    policy text,
    severity text not null,
    reason text not null,
    received timestamptz not null default now(),
    digest text not null unique,
    event_json text not null
  )`,
  `create index events_cluster on events (cluster, id)`,
  `create index events_policy on events (policy, id)`,
  `create index events_received on events (received)`,
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
    entry_json text not null
  )`,
  `create function audit_is_append_only() returns trigger language plpgsql as $$
  begin
    raise exception 'the audit log is append-only' using errcode = 'restrict_violation';
  end $$`,
  `create trigger audit_append_only before update or delete or truncate on audit
    for each statement execute function audit_is_append_only()`,
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
    seen timestamptz not null
  )`,
];

/** Tables of design section 8. Once released, a migration is never changed: what is to be other comes in the next one. */
export const ledgerTables: Migration = {
  up: async (db: Kysely<unknown>): Promise<void> => {
    for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
  },
};
