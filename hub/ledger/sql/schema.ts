import type { ListedPolicy } from '@fso/shared/status';
import type { ColumnType, CompiledQuery, Generated, Kysely, Transaction } from 'kysely';
import type pg from 'pg';

/**
 * The tables of the ledger, as `migrations/` makes them, with the types that both databases have.
 * Texts named json hold JSON, times are RFC 3339 in UTC; `version` is {@link Schema} wide and grows
 * with every commit.
 */

/** Single row with the last version that was assigned. */
interface VersionTable {
  value: number;
  /**
   * Same as `value` while every write also adds to the history of clusters; it stays behind after a
   * write by an older program.
   */
  history: Generated<number>;
  /** Time at which `history` last grew. */
  history_time: Generated<string | null>;
}

/**
 * Row of a hub process that writes here. Where hubs share a database, its heartbeat shows that it
 * is alive.
 */
interface ReplicaTable {
  id: string;
  /** Last batch that was committed. It is read when the answer to a commit was lost. */
  batch: number;
  heartbeat: Generated<ColumnType<Date, never, Date>>;
}

/** Single row that names the leader among the hubs on one database. */
interface LeaderTable {
  name: 'hub';
  replica: string;
  /** Grows with each change of the leader. */
  epoch: number;
  heartbeat: ColumnType<Date, never, Date>;
}

interface StateTable {
  name: 'source' | 'desired';
  json: string;
  version: number;
  writer: string;
}

/** The columns of a cluster that every write replaces, and every reader takes as they are. */
export const CLUSTER_COLUMNS = [
  'connected_by',
  'stream',
  'last_seen',
  'offered_revision',
  'offered_at',
  'acked_revision',
  'acked_digest',
  'reported_seq',
  'policies_changed',
  'revision_json',
  'not_observed_json',
  'not_kept',
  'baseline_json',
  'deviations_json',
  'diverged_since',
  'version',
  'writer',
] as const satisfies readonly (keyof ClusterTable)[];

/** Row of a cluster, whatever the number of its policies. */
export interface ClusterTable {
  name: string;
  /** Replica that holds the stream; null: the cluster is not connected. */
  connected_by: string | null;
  /** The stream that was opened last, and speaks for the cluster. */
  stream: string | null;
  last_seen: string | null;
  offered_revision: string | null;
  /** Time of that offer; null: not known. */
  offered_at: string | null;
  acked_revision: string | null;
  acked_digest: string | null;
  nack_json: string | null;
  /** JSON of a RevisionFacts; not valid where `report_json` has these facts, too. */
  revision_json: string | null;
  /** JSON of an AgentClusterReport without that; with it where an older version wrote the row. */
  report_json: string | null;
  reported_seq: number;
  /** Time at which one of its policies last changed. */
  policies_changed: string | null;
  /**
   * Parts that its agent does not observe: JSON of a NotObserved, with the stream that it holds
   * for.
   */
  not_observed_json: string | null;
  /** Number of policies that it reported by name and that are not kept; null: all are. */
  not_kept: number | null;
  /** JSON of a Baseline. */
  baseline_json: string | null;
  /** JSON of a list of DeviationGroup; null: no policy of its list deviates. */
  deviations_json: string | null;
  diverged_since: string | null;
  version: number;
  writer: string;
}

/** The policies of a compiled list, by what differs from another list. Rows are never changed. */
interface PolicyListTable {
  digest: string;
  /** Digest of the list that this one builds on; null: none. */
  base: string | null;
  /** Number of lists below it. */
  depth: number;
  /** Time at which it was written. */
  stored: string;
  /** Version in which it was written. */
  version: number;
  /** JSON of {@link StoredList}. */
  list_json: string;
}

/** A list of compiled policies as its row has it: what differs from the list that it builds on. */
export interface StoredList {
  /** Policies that the base does not have, or has otherwise. */
  readonly policies: readonly ListedPolicy[];
  /** Names of those that only the base has. */
  readonly removed?: readonly string[];
}

/** Policies that a cluster reported whole, as its list does not have them. */
export interface ReportTable {
  cluster: string;
  policy: string;
  report_json: string;
}

/** A row of the history of a cluster; only its beginning is ever put together. */
interface ClusterHistoryTable {
  id: Generated<number>;
  cluster: string;
  /** Time of the newest change in it. */
  time: string;
  /**
   * JSON of a list of HistoryChange, oldest first: one, or the merged rest of many that are too old
   * to be kept in full.
   */
  changes_json: string;
  /** Digest of the list of the baseline in it: there is one at most. */
  list: string | null;
}

interface EventTable {
  id: Generated<number>;
  cluster: string | null;
  policy: string | null;
  severity: string;
  reason: string;
  received: string;
  /** Time that the event states, in milliseconds since 1970. */
  time_ms: number;
  /** Digest of cluster and content, by which an event that is sent again is not kept again. */
  digest: string;
  event_json: string;
}

/** Audit log. Nothing in it is changed or deleted: a trigger refuses that. */
interface AuditTable {
  sequence: number;
  entry_json: string;
}

/**
 * Values that other parts of the hub keep; one that was removed stays as null for an hour or more,
 * so that the other hubs learn of it.
 */
interface RecordTable {
  kind: string;
  name: string;
  value_json: string | null;
  version: number;
}

interface CheckpointColumns {
  sequence: number;
  hash: string;
  time: string;
  key: string;
  signature: string;
}

interface WitnessTable extends CheckpointColumns {
  cluster: string;
  seen: string;
}

/** Tables of the ledger, by name. */
export interface Schema {
  ledger_version: VersionTable;
  replicas: ReplicaTable;
  leader: LeaderTable;
  state: StateTable;
  clusters: ClusterTable;
  policy_lists: PolicyListTable;
  reports: ReportTable;
  cluster_history: ClusterHistoryTable;
  events: EventTable;
  audit: AuditTable;
  records: RecordTable;
  checkpoints: CheckpointColumns;
  witnesses: WitnessTable;
}

/** A database that holds a ledger, as long as it is only read. */
export interface DatabaseReader {
  /** PostgreSQL, where other hubs may write too; else SQLite, which belongs to one hub. */
  readonly shared: boolean;
  /** Name of the database, without credentials. */
  readonly name: string;
  /** Reads all as of one moment, however long it takes; nothing can be written. */
  snapshot<T>(work: (db: Kysely<Schema>) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

/** The rows that each of some queries returns. */
export type RowsOf<Q extends readonly CompiledQuery[]> = {
  readonly [K in keyof Q]: Q[K] extends CompiledQuery<infer R> ? readonly R[] : never;
};

/** A database that holds a ledger. */
export interface Database extends DatabaseReader {
  /** Connections for writes, and for reads within them. */
  readonly db: Kysely<Schema>;
  /** Connections for reads. These wait for each other, and a write never waits for them. */
  readonly reads: Kysely<Schema>;
  /** Connections for queries that look at many rows. These never hold what writes need. */
  readonly searches: Kysely<Schema>;
  /**
   * Runs queries in their order, of which none needs what another returns, up to the first that
   * fails.
   */
  readonly runAll: <const Q extends readonly CompiledQuery[]>(trx: Transaction<Schema>, queries: Q) => Promise<RowsOf<Q>>;
  /**
   * Runs the last queries of a transaction, otherwise as `runAll`. Where it can, the database
   * commits with them at once.
   */
  readonly runLast: (trx: Transaction<Schema>, queries: readonly CompiledQuery[]) => Promise<void>;
  /**
   * Writes with statements that take as long as they need, as those of a migration do. They wait a
   * bounded time for locks of others.
   */
  patiently<T>(work: (db: Kysely<Schema>) => Promise<T>): Promise<T>;
  /** A connection of its own, for LISTEN and session locks; only where `shared`. */
  readonly connect: () => Promise<pg.Client>;
  /**
   * Ends all work on any connection, and every connection that is opened later. `close` still has
   * to be called.
   */
  readonly cut: () => void;
}
