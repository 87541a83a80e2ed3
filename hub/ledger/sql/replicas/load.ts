import { type PolicyReport, policyKey, type SourceView } from '@fso/shared/api';
import { internReport } from '@fso/shared/protocol';
import type { Kysely, Selectable } from 'kysely';
import { unlessSame } from '../../changes.ts';
import { internPolicies } from '../../interning.ts';
import type { ClusterRecord, NotObserved } from '../../types.ts';
import { chunkOf, isConforming } from '../batch/chunks.ts';
import type { StoredCluster } from '../batch/plan-batch.ts';
import type { ChunkTable, ClusterTable, DeviationTable, Schema } from '../schema.ts';

/** Rows become what they were made of; only this program writes them. */
const parse = <T>(json: string): T => JSON.parse(json) as T;

/** An older program keeps what it does not know, also when another stream has begun. */
const notObservedOf = ({ connected_by, stream, not_observed_json }: Selectable<ClusterTable>): ClusterRecord['notObserved'] => {
  if (connected_by === null || not_observed_json === null) return null;
  const { stream: saidBy, ...notObserved } = parse<NotObserved & { readonly stream: string | null }>(not_observed_json);
  return saidBy === stream ? notObserved : null;
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

/** Clusters read at once: each may have thousands of policies. */
const CLUSTERS = 100;

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

/** Clusters by name, as they are stored. */
export async function* loadClusters(db: Kysely<Schema>, names: readonly string[]): AsyncGenerator<StoredCluster> {
  for (let at = 0; at < names.length; at += CLUSTERS) {
    const some = names.slice(at, at + CLUSTERS);
    const rows = await db.selectFrom('clusters').selectAll().where('name', 'in', some).execute();
    const policies = await loadPolicies(db, some);
    for (const row of rows) yield storedOf(row, policies.get(row.name) ?? new Map());
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
    const all = await db
      .selectFrom('clusters')
      .selectAll()
      .where('name', 'in', names.slice(at, at + CLUSTERS))
      .execute();
    const rows = all.filter(({ name, version }) => version > knownOf(name).version);
    if (rows.length > 0) yield* refreshRows(db, rows, knownOf);
  }
}

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
