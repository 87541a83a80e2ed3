import { type PolicyReport, policyKey, type SourceView } from '@fso/shared/api';
import { internReport } from '@fso/shared/protocol';
import { type Kysely, type Selectable, sql } from 'kysely';
import { internPolicies } from '../../interning.ts';
import { type StoredSize, storedSize } from '../../quota/plan-load.ts';
import { unlessSame } from '../../take-report.ts';
import type { ClusterRecord, NotKept, NotObserved } from '../../types.ts';
import { chunkOf, isConforming } from '../batch/chunks.ts';
import type { StoredCluster } from '../batch/plan-batch.ts';
import { type ChunkTable, CLUSTER_COLUMNS, type ClusterTable, type DeviationTable, type KeptPolicies, type Schema } from '../schema.ts';

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

const recordOf = (row: Selectable<ClusterTable>, policies: ReadonlyMap<string, PolicyReport>): ClusterRecord => ({
  name: row.name,
  connected: row.connected_by !== null,
  notObserved: notObservedOf(row),
  lastSeen: row.last_seen,
  offeredRevision: row.offered_revision,
  acked: row.acked_revision === null ? null : { revision: row.acked_revision, digest: row.acked_digest },
  nack: row.nack_json === null ? null : parse(row.nack_json),
  report: row.report_json === null ? null : parse(row.report_json),
  policies: internPolicies(row.reported_digest, policies),
  notKept: keptOf(row)?.notKept ?? null,
  policiesChanged: row.policies_changed,
  reportedSeq: row.reported_seq,
  reportedDigest: row.reported_digest,
});

const storedOf = (row: Selectable<ClusterTable>, policies: ReadonlyMap<string, PolicyReport>): StoredCluster => ({
  record: recordOf(row, policies),
  connectedBy: row.connected_by,
  stream: row.stream,
  version: row.version,
  writtenSeen: row.last_seen,
});

/** The digest of no reports that an agent can have, so that it sends all of them. */
const UNKNOWN_DIGEST = 'f'.repeat(64);
const NO_POLICIES: ClusterRecord['policies'] = new Map();

/** A cluster without its policies. */
const unreadOf = (row: Selectable<ClusterTable>, reason: NotKept['reason']): StoredCluster => {
  const stored = storedOf(row, NO_POLICIES);
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

/** Bytes of the reports of a chunk: without the brackets of the list, and with a comma for each report. */
const CHUNK_BYTES = sql<number>`sum(octet_length(policies_json) - 1)`;
const DEVIATION_BYTES = sql<number>`sum(octet_length(report_json) + 1)`;

/** How much is stored of what each cluster reported; it costs no more than the number of rows. */
export const loadSizes = async (db: Kysely<Schema>): Promise<readonly StoredSize[]> => {
  const facts = [readableBytes('report_json').as('report'), readableBytes('nack_json').as('nack')] as const;
  const rows = await db
    .selectFrom('clusters')
    .select(['name', 'reported_digest', 'kept_json', ...facts])
    .execute();
  const chunks = await db
    .selectFrom('policy_chunks')
    .select(['cluster', CHUNK_BYTES.as('bytes')])
    .groupBy('cluster')
    .execute();
  const deviations = await db
    .selectFrom('deviations')
    .select(['cluster', DEVIATION_BYTES.as('bytes')])
    .groupBy('cluster')
    .execute();
  const bytes = new Map(rows.map(({ name }) => [name, 0]));
  for (const part of [...chunks, ...deviations]) bytes.set(part.cluster, (bytes.get(part.cluster) ?? 0) + part.bytes);
  return rows.map((row) =>
    storedSize({ cluster: row.name, bytes: bytes.get(row.name) ?? 0, facts: row.report + row.nack }, keptOf(row)?.policies),
  );
};

const loadPolicies = async (db: Kysely<Schema>, names: readonly string[]): Promise<Map<string, Map<string, PolicyReport>>> => {
  const found = new Map(names.map((name) => [name, new Map<string, PolicyReport>()]));
  const chunks = await db.selectFrom('policy_chunks').select(['cluster', 'policies_json']).where('cluster', 'in', names).execute();
  for (const { cluster, policies_json } of chunks)
    for (const policy of parse<PolicyReport[]>(policies_json)) found.get(cluster)?.set(policyKey(policy), internReport(policy));
  const deviations = await db.selectFrom('deviations').select(['cluster', 'report_json']).where('cluster', 'in', names).execute();
  for (const { cluster, report_json } of deviations) {
    const policy = internReport(parse<PolicyReport>(report_json));
    found.get(cluster)?.set(policyKey(policy), policy);
  }
  return found;
};

/** Some clusters, as they are stored. @param refused those whose policies are not read, and why */
export async function* loadClusters(
  db: Kysely<Schema>,
  names: readonly string[],
  refused: ReadonlyMap<string, NotKept['reason']>,
): AsyncGenerator<StoredCluster> {
  const rows = await selectRows(db, names);
  const read = names.filter((name) => !refused.has(name));
  const policies = read.length === 0 ? new Map() : await loadPolicies(db, read);
  for (const row of rows) {
    const reason = refused.get(row.name);
    yield reason === undefined ? storedOf(row, policies.get(row.name) ?? NO_POLICIES) : unreadOf(row, reason);
  }
}

/** What is stored of the policies of a cluster, as far as it was written since. */
interface NewRows {
  readonly chunks: readonly Pick<Selectable<ChunkTable>, 'chunk' | 'policies_json'>[];
  readonly deviations: readonly Pick<Selectable<DeviationTable>, 'report_json'>[];
}

/** Clusters that other replicas wrote, of those that are named: of each, only the chunks that were written since are read. */
export async function* refreshClusters(
  db: Kysely<Schema>,
  names: readonly string[],
  knownOf: (name: string) => StoredCluster,
): AsyncGenerator<StoredCluster> {
  for (let at = 0; at < names.length; at += CLUSTERS) {
    const all = await selectRows(db, names.slice(at, at + CLUSTERS));
    const rows = all.filter(({ name, version }) => version > knownOf(name).version);
    const unread = rows.filter((row) => isUnread(knownOf(row.name), row));
    for (const row of unread) yield unreadOf(row, knownOf(row.name).record.notKept?.reason ?? 'quota');
    const read = rows.filter((row) => !unread.includes(row));
    if (read.length > 0) yield* refreshRows(db, read, knownOf);
  }
}

/** Whether the policies of a cluster were not read, and are still those. */
const isUnread = ({ record, version }: StoredCluster, { full_version }: Selectable<ClusterTable>): boolean =>
  record.notKept?.policies === null && full_version <= version;

async function* refreshRows(
  db: Kysely<Schema>,
  rows: readonly Selectable<ClusterTable>[],
  knownOf: (name: string) => StoredCluster,
): AsyncGenerator<StoredCluster> {
  const names = rows.map(({ name }) => name);
  const chunks = await db
    .selectFrom('policy_chunks')
    .select(['cluster', 'chunk', 'policies_json'])
    .where((eb) => eb.or(names.map((name) => eb.and([eb('cluster', '=', name), eb('version', '>', knownOf(name).version)]))))
    .execute();
  const deviations = await db.selectFrom('deviations').select(['cluster', 'report_json']).where('cluster', 'in', names).execute();
  for (const row of rows) {
    const known = knownOf(row.name);
    yield refreshed(known, row, {
      chunks: chunks.filter(({ cluster }) => cluster === row.name),
      deviations: deviations.filter(({ cluster }) => cluster === row.name),
    });
  }
}

const refreshed = (known: StoredCluster, row: Selectable<ClusterTable>, { chunks, deviations }: NewRows): StoredCluster => {
  const before = known.record.policies;
  const rewritten = new Set(chunks.map(({ chunk }) => chunk));
  const kept = row.full_version > known.version ? [] : [...before].filter(([key, is]) => isConforming(is) && !rewritten.has(chunkOf(key)));
  const policies = new Map(kept);
  const read = [
    ...chunks.flatMap(({ policies_json }) => parse<PolicyReport[]>(policies_json).map(internReport)),
    ...deviations.map(({ report_json }) => internReport(parse<PolicyReport>(report_json))),
  ];
  for (const policy of read) policies.set(policyKey(policy), unlessSame(before.get(policyKey(policy)), policy));
  const isSame = policies.size === before.size && [...policies].every(([key, policy]) => before.get(key) === policy);
  const stored = storedOf(row, isSame ? before : policies);
  const { acked, nack, report, notObserved } = known.record;
  const record = {
    ...stored.record,
    acked: unlessSame(acked, stored.record.acked),
    nack: unlessSame(nack, stored.record.nack),
    report: unlessSame(report, stored.record.report),
    notObserved: unlessSame(notObserved, stored.record.notObserved),
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
