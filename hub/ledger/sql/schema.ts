import type { ListedPolicy } from '@fso/shared/status';
import type { ColumnType, CompiledQuery, Generated, Kysely, Transaction } from 'kysely';
import type pg from 'pg';

/**
 * Tables of the ledger, as `migrations/` creates them, with types for both databases. Columns named
 * json hold JSON text, times are RFC 3339 in UTC. `version` increases with every commit to any
 * table.
 */

/** Single row with the last assigned version. */
interface VersionTable {
  value: number;
  /**
   * Equals `value` while every write also adds to the history of clusters. After a write by an
   * older program it stays behind.
   */
  history: Generated<number>;
  /** Time of the last increase of `history`. */
  history_time: Generated<string | null>;
}

/**
 * Row of a hub process that writes to this database. On a shared database its heartbeat shows that
 * it is alive.
 */
interface ReplicaTable {
  id: string;
  /** Last committed batch, read if the answer to a commit was lost. */
  batch: number;
  heartbeat: Generated<ColumnType<Date, never, Date>>;
}

/** Single row that names the leader among the hubs on one database. */
interface LeaderTable {
  name: 'hub';
  replica: string;
  /** Increases with each change of the leader. */
  epoch: number;
  heartbeat: ColumnType<Date, never, Date>;
}

interface StateTable {
  name: 'source' | 'desired';
  json: string;
  version: number;
  writer: string;
}

/** Columns of a cluster that every write replaces and that need no conversion. */
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

/** Row of a cluster, one for any number of policies. */
export interface ClusterTable {
  name: string;
  /** Replica that holds the stream; null: the cluster is not connected. */
  connected_by: string | null;
  /** Current stream of the cluster, which was opened last. */
  stream: string | null;
  last_seen: string | null;
  offered_revision: string | null;
  /** Time of that offer; null: unknown. */
  offered_at: string | null;
  acked_revision: string | null;
  acked_digest: string | null;
  nack_json: string | null;
  /** JSON of a RevisionFacts; ignored if `report_json` has these facts too. */
  revision_json: string | null;
  /**
   * JSON of an AgentClusterReport without the facts in `revision_json`. Rows of an older version
   * include them.
   */
  report_json: string | null;
  reported_seq: number;
  /** Time of the last change of one of its policies. */
  policies_changed: string | null;
  /**
   * Parts that its agent does not observe: JSON of a NotObserved, with the stream to which it
   * belongs.
   */
  not_observed_json: string | null;
  /** Number of policies that are reported by name and not kept; null: all are kept. */
  not_kept: number | null;
  /** JSON of a Baseline. */
  baseline_json: string | null;
  /** JSON of a list of DeviationGroup; null: no listed policy deviates. */
  deviations_json: string | null;
  diverged_since: string | null;
  version: number;
  writer: string;
}

/** Policies of a compiled list, as differences from another list. Rows are never changed. */
interface PolicyListTable {
  digest: string;
  /** Digest of the list on which this one builds; null: none. */
  base: string | null;
  /** Number of lists on which it builds, directly and indirectly. */
  depth: number;
  /** Time of the write. */
  stored: string;
  /** Version of the write. */
  version: number;
  /** JSON of {@link StoredList}. */
  list_json: string;
}

/** Stored form of a list of compiled policies: differences from the list on which it builds. */
export interface StoredList {
  /** Policies that the base lacks or has with other content. */
  readonly policies: readonly ListedPolicy[];
  /** Names of policies that only the base has. */
  readonly removed?: readonly string[];
}

/** Policies that a cluster reported whole, because they are not in its list. */
export interface ReportTable {
  cluster: string;
  policy: string;
  report_json: string;
}

/** Row of the history of a cluster. Only the oldest rows are ever merged. */
interface ClusterHistoryTable {
  id: Generated<number>;
  cluster: string;
  /** Time of the newest change in the row. */
  time: string;
  /**
   * JSON of a list of HistoryChange, oldest first: a single one, or the merged result of many that
   * are too old to be kept in full.
   */
  changes_json: string;
  /** Digest of the list of the row's baseline. A row has at most one. */
  list: string | null;
}

interface EventTable {
  id: Generated<number>;
  cluster: string | null;
  policy: string | null;
  severity: string;
  reason: string;
  received: string;
  /** Time of the event itself, in milliseconds since 1970. */
  time_ms: number;
  /** Digest of cluster and content, so that a resent event is stored once. */
  digest: string;
  event_json: string;
}

/** Audit log. A trigger prevents changes and deletions. */
interface AuditTable {
  sequence: number;
  entry_json: string;
}

/**
 * Values of other parts of the hub. A removed one stays as null for an hour or more, so that other
 * hubs notice.
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

/** Database with a ledger, for reading. */
export interface DatabaseReader {
  /**
   * Whether it is PostgreSQL, which several hubs may share; else SQLite, which belongs to one hub.
   */
  readonly shared: boolean;
  /** Name of the database, without credentials. */
  readonly name: string;
  /** Runs reads on one consistent snapshot, without time limit. Writes fail. */
  snapshot<T>(work: (db: Kysely<Schema>) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

/** Rows of each of several queries. */
export type RowsOf<Q extends readonly CompiledQuery[]> = {
  readonly [K in keyof Q]: Q[K] extends CompiledQuery<infer R> ? readonly R[] : never;
};

/** Database with a ledger. */
export interface Database extends DatabaseReader {
  /** Connections for writes, and for reads within their transactions. */
  readonly db: Kysely<Schema>;
  /** Connections for short reads. A write never waits for them. */
  readonly reads: Kysely<Schema>;
  /** Connections for queries over many rows. They hold no connection that writes need. */
  readonly searches: Kysely<Schema>;
  /** Runs independent queries in order, up to the first that fails. */
  readonly runAll: <const Q extends readonly CompiledQuery[]>(trx: Transaction<Schema>, queries: Q) => Promise<RowsOf<Q>>;
  /**
   * Runs the last queries of a transaction like `runAll`. If possible, the database commits with
   * them in one step.
   */
  readonly runLast: (trx: Transaction<Schema>, queries: readonly CompiledQuery[]) => Promise<void>;
  /** Runs writes without statement timeout, such as migrations. Waiting for locks is bounded. */
  patiently<T>(work: (db: Kysely<Schema>) => Promise<T>): Promise<T>;
  /** Opens a dedicated connection, for LISTEN and session locks. Only if `shared`. */
  readonly connect: () => Promise<pg.Client>;
  /**
   * Aborts all work on all connections, and every connection opened later. `close` must still be
   * called.
   */
  readonly cut: () => void;
}
