import { type PolicyReport, policyKey, type SourceView } from '@fso/shared/api';
import { type Baseline, isSameBaseline } from '@fso/shared/status';
import { type Kysely, type Selectable, sql } from 'kysely';
import { deviationsOf, listIn, type Policies, type PolicyList, type PolicyLists } from '../../policies/index.ts';
import { type StoredSize, storedSize } from '../../quota/plan-load.ts';
import { policiesOf, unlessSame } from '../../take-report.ts';
import type { ClusterRecord, NotKept, NotObserved } from '../../types.ts';
import type { StoredCluster } from '../batch/plan-batch.ts';
import { readLists } from '../policy-lists.ts';
import { CLUSTER_COLUMNS, type ClusterTable, type KeptPolicies, type Schema } from '../schema.ts';

/** Rows become what they were made of; only this program writes them. */
const parse = <T>(json: string): T => JSON.parse(json) as T;

/** An older program keeps what it does not know, also when another stream has begun. */
const notObservedOf = ({ connected_by, stream, not_observed_json }: Selectable<ClusterTable>): ClusterRecord['notObserved'] => {
  if (connected_by === null || not_observed_json === null) return null;
  const { stream: saidBy, ...notObserved } = parse<NotObserved & { readonly stream: string | null }>(not_observed_json);
  return saidBy === stream ? notObserved : null;
};

/** An older program leaves it as it is, and takes reports all the same. */
const keptOf = ({ reported_digest, kept_json }: Pick<ClusterTable, 'reported_digest' | 'kept_json'>): KeptPolicies | undefined => {
  const kept = kept_json === null ? undefined : parse<KeptPolicies>(kept_json);
  return kept?.digest === reported_digest ? kept : undefined;
};

const baselineOf = ({ baseline_json }: Pick<ClusterTable, 'baseline_json'>): Baseline | null =>
  baseline_json === null ? null : parse(baseline_json);

/** Policies of a cluster as they were read. */
interface ReadPolicies {
  /** Reports that are stored by name. */
  readonly deviations: Policies;
  readonly lists: ReadonlyMap<string, PolicyList>;
}

const recordOf = (row: Selectable<ClusterTable>, { deviations, lists }: ReadPolicies): ClusterRecord => ({
  name: row.name,
  connected: row.connected_by !== null,
  notObserved: notObservedOf(row),
  lastSeen: row.last_seen === null ? null : { at: row.last_seen },
  offeredRevision: row.offered_revision,
  acked: row.acked_revision === null ? null : { revision: row.acked_revision, digest: row.acked_digest },
  nack: row.nack_json === null ? null : parse(row.nack_json),
  report: row.report_json === null ? null : parse(row.report_json),
  baseline: baselineOf(row),
  policies: policiesOf(baselineOf(row), deviations, lists),
  notKept: keptOf(row)?.notKept ?? null,
  policiesChanged: row.policies_changed,
  reportedSeq: row.reported_seq,
  reportedDigest: row.reported_digest,
  divergedSince: row.diverged_since,
});

const storedOf = (row: Selectable<ClusterTable>, policies: ReadPolicies): StoredCluster => ({
  record: recordOf(row, policies),
  connectedBy: row.connected_by,
  stream: row.stream,
  version: row.version,
  writtenSeen: row.last_seen,
});

/** The digest of no reports that an agent can have, so that it sends all of them. */
const UNKNOWN_DIGEST = 'f'.repeat(64);
const NO_POLICIES: Policies = new Map();

/** A cluster without its policies: of none of them anything is known. */
const unreadOf = (row: Selectable<ClusterTable>, reason: NotKept['reason']): StoredCluster => {
  const stored = storedOf({ ...row, baseline_json: null }, { deviations: NO_POLICIES, lists: new Map() });
  return { ...stored, record: { ...stored.record, notKept: { policies: null, reason }, reportedDigest: UNKNOWN_DIGEST } };
};

/**
 * Longest JSON of what a cluster says of itself, and of why it refused a commit, in bytes. Longer ones, as an older version took them, are not
 * read: the agent says it again.
 */
const MAX_FACTS = 256 * 1024;

type FactsColumn = 'report_json' | 'nack_json';
const readable = (column: FactsColumn) =>
  sql<string | null>`case when octet_length(${sql.ref(column)}) <= ${sql.lit(MAX_FACTS)} then ${sql.ref(column)} end`;
const readableBytes = (column: FactsColumn) => sql<number>`coalesce(octet_length(${readable(column)}), 0)`;

const ROW = [
  'name',
  ...CLUSTER_COLUMNS,
  'full_version',
  readable('nack_json').as('nack_json'),
  readable('report_json').as('report_json'),
] as const;

const selectRows = (db: Kysely<Schema>, names: readonly string[]): Promise<readonly Selectable<ClusterTable>[]> =>
  db.selectFrom('clusters').select(ROW).where('name', 'in', names).execute();

/** Clusters refreshed at once: each may have thousands of policies. */
const CLUSTERS = 100;

const DEVIATION_BYTES = sql<number>`sum(octet_length(report_json) + 1)`;

/** How much is stored of what each cluster reported; it costs no more than the number of rows. */
export const loadSizes = async (db: Kysely<Schema>): Promise<readonly StoredSize[]> => {
  const facts = [
    readableBytes('report_json').as('report'),
    readableBytes('nack_json').as('nack'),
    sql<number>`coalesce(octet_length(baseline_json), 0)`.as('baseline'),
  ] as const;
  const rows = await db
    .selectFrom('clusters')
    .select(['name', 'reported_digest', 'kept_json', ...facts])
    .execute();
  const deviations = await db
    .selectFrom('deviations')
    .select(['cluster', DEVIATION_BYTES.as('bytes')])
    .groupBy('cluster')
    .execute();
  const bytes = new Map(rows.map(({ name }) => [name, 0]));
  for (const part of deviations) bytes.set(part.cluster, (bytes.get(part.cluster) ?? 0) + part.bytes);
  return rows.map((row) =>
    storedSize({ cluster: row.name, bytes: bytes.get(row.name) ?? 0, facts: row.report + row.nack + row.baseline }, keptOf(row)?.policies),
  );
};

const loadDeviations = async (db: Kysely<Schema>, names: readonly string[]): Promise<Map<string, Map<string, PolicyReport>>> => {
  const found = new Map(names.map((name) => [name, new Map<string, PolicyReport>()]));
  const rows = await db.selectFrom('deviations').select(['cluster', 'report_json']).where('cluster', 'in', names).execute();
  for (const { cluster, report_json } of rows) {
    const policy = parse<PolicyReport>(report_json);
    found.get(cluster)?.set(policyKey(policy), policy);
  }
  return found;
};

/** The lists of some clusters, by digest, as far as they are stored. */
const loadLists = (
  db: Kysely<Schema>,
  rows: readonly Selectable<ClusterTable>[],
  lists: PolicyLists,
): Promise<ReadonlyMap<string, PolicyList>> =>
  readLists(
    db,
    rows.flatMap((row) => baselineOf(row)?.list ?? []),
    lists,
  );

interface LoadOptions {
  readonly lists: PolicyLists;
  /** Clusters whose policies are not read, and why. */
  readonly refused: ReadonlyMap<string, NotKept['reason']>;
}

/** Some clusters, as they are stored. */
export async function* loadClusters(
  db: Kysely<Schema>,
  names: readonly string[],
  { lists, refused }: LoadOptions,
): AsyncGenerator<StoredCluster> {
  const rows = await selectRows(db, names);
  const read = names.filter((name) => !refused.has(name));
  const deviations = read.length === 0 ? new Map<string, Policies>() : await loadDeviations(db, read);
  const known = await loadLists(db, rows, lists);
  for (const row of rows) {
    const reason = refused.get(row.name);
    const policies = { deviations: deviations.get(row.name) ?? NO_POLICIES, lists: known };
    yield reason === undefined ? storedOf(row, policies) : unreadOf(row, reason);
  }
}

interface RefreshOptions {
  readonly lists: PolicyLists;
  readonly knownOf: (name: string) => StoredCluster;
}

/** Clusters that other replicas wrote, of those that are named. */
export async function* refreshClusters(
  db: Kysely<Schema>,
  names: readonly string[],
  { lists, knownOf }: RefreshOptions,
): AsyncGenerator<StoredCluster> {
  for (let at = 0; at < names.length; at += CLUSTERS) {
    const newer = await selectNewer(db, names.slice(at, at + CLUSTERS), knownOf);
    if (newer.length === 0) continue;
    const rows = await selectRows(db, newer);
    const unread = rows.filter((row) => isUnread(knownOf(row.name), row));
    for (const row of unread) yield unreadOf(row, knownOf(row.name).record.notKept?.reason ?? 'quota');
    const read = rows.filter((row) => !unread.includes(row));
    if (read.length > 0) yield* refreshRows(db, read, { lists, knownOf });
  }
}

/** Names of clusters that others have written: most of the time none, as hubs seldom write of the clusters of others. */
const selectNewer = async (
  db: Kysely<Schema>,
  names: readonly string[],
  knownOf: RefreshOptions['knownOf'],
): Promise<readonly string[]> => {
  const rows = await db.selectFrom('clusters').select(['name', 'version']).where('name', 'in', names).execute();
  return rows.flatMap(({ name, version }) => (version > knownOf(name).version ? [name] : []));
};

/** Whether the policies of a cluster were not read, and are still those. */
const isUnread = ({ record, version }: StoredCluster, { full_version }: Selectable<ClusterTable>): boolean =>
  record.notKept?.policies === null && full_version <= version;

async function* refreshRows(
  db: Kysely<Schema>,
  rows: readonly Selectable<ClusterTable>[],
  { lists, knownOf }: RefreshOptions,
): AsyncGenerator<StoredCluster> {
  const deviations = await loadDeviations(
    db,
    rows.map(({ name }) => name),
  );
  const known = await loadLists(db, rows, lists);
  for (const row of rows) yield refreshed(knownOf(row.name), row, { deviations: deviations.get(row.name) ?? NO_POLICIES, lists: known });
}

/** Returns a cluster that was read again; what reads as before stays the same object. */
const refreshed = (known: StoredCluster, row: Selectable<ClusterTable>, { deviations, lists }: ReadPolicies): StoredCluster => {
  const before = deviationsOf(known.record.policies);
  const read = new Map([...deviations].map(([key, policy]) => [key, unlessSame(before.get(key), policy)]));
  const isSame = read.size === before.size && [...read].every(([key, policy]) => before.get(key) === policy);
  const stored = storedOf(row, { deviations: isSame ? before : read, lists });
  const { acked, nack, report, notObserved, policies } = known.record;
  const isAlike = isSame && isSameBaseline(known.record.baseline, stored.record.baseline);
  const record = {
    ...stored.record,
    acked: unlessSame(acked, stored.record.acked),
    nack: unlessSame(nack, stored.record.nack),
    report: unlessSame(report, stored.record.report),
    notObserved: unlessSame(notObserved, stored.record.notObserved),
    ...(isAlike &&
      listIn(known.record) === listIn(stored.record) &&
      known.record.baseline?.asOf === stored.record.baseline?.asOf && { policies }),
  };
  return { ...stored, record };
};

/** A value with the version of the commit that wrote it; 0: none did. */
export interface Versioned<T> {
  readonly value: T | null;
  readonly version: number;
}

export interface StoredState {
  readonly source: Versioned<SourceView>;
  /** Revision. */
  readonly desired: Versioned<string>;
}

export const loadState = async (db: Kysely<Schema>): Promise<StoredState> => {
  const rows = await db.selectFrom('state').select(['name', 'json', 'version']).execute();
  const stateOf = <T>(name: keyof StoredState): Versioned<T> => {
    const row = rows.find((stored) => stored.name === name);
    return row === undefined ? { value: null, version: 0 } : { value: parse<T>(row.json), version: row.version };
  };
  return { source: stateOf('source'), desired: stateOf('desired') };
};
