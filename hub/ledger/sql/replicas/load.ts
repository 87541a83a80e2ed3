import { isDeepStrictEqual } from 'node:util';
import { type PolicyReport, policyKey, type SourceView } from '@fso/shared/api';
import type { Kysely, Selectable } from 'kysely';
import type { ClusterRecord } from '../../types.ts';
import { chunkOf, isConforming } from '../batch/chunks.ts';
import type { StoredCluster } from '../batch/plan-batch.ts';
import type { ClusterTable, Schema } from '../schema.ts';

/** Rows become what they were made of; only this program writes them. */
const parse = <T>(json: string): T => JSON.parse(json) as T;

const recordOf = (row: Selectable<ClusterTable>, policies: ReadonlyMap<string, PolicyReport>): ClusterRecord => ({
  name: row.name,
  connected: row.connected_by !== null,
  lastSeen: row.last_seen,
  offeredRevision: row.offered_revision,
  acked: row.acked_revision === null ? null : { revision: row.acked_revision, digest: row.acked_digest },
  nack: row.nack_json === null ? null : parse(row.nack_json),
  report: row.report_json === null ? null : parse(row.report_json),
  policies,
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
    for (const policy of parse<PolicyReport[]>(policies_json)) found.get(cluster)?.set(policyKey(policy), policy);
  const deviations = await db.selectFrom('deviations').select(['cluster', 'report_json']).where('cluster', 'in', names).execute();
  for (const { cluster, report_json } of deviations) {
    const policy = parse<PolicyReport>(report_json);
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

/**
 * A cluster that another replica wrote, from what is known of it: only chunks that were written since are read.
 *
 * @returns undefined when it is not stored
 */
export const refreshCluster = async (db: Kysely<Schema>, known: StoredCluster): Promise<StoredCluster | undefined> => {
  const { name, policies: before } = known.record;
  const row = await db.selectFrom('clusters').selectAll().where('name', '=', name).executeTakeFirst();
  if (row === undefined) return undefined;
  const chunks = await db
    .selectFrom('policy_chunks')
    .select(['chunk', 'policies_json'])
    .where('cluster', '=', name)
    .where('version', '>', known.version)
    .execute();
  const deviations = await db.selectFrom('deviations').select('report_json').where('cluster', '=', name).execute();
  const rewritten = new Set(chunks.map(({ chunk }) => chunk));
  const kept = row.full_version > known.version ? [] : [...before].filter(([key, is]) => isConforming(is) && !rewritten.has(chunkOf(key)));
  const policies = new Map(kept);
  const read = [
    ...chunks.flatMap(({ policies_json }) => parse<PolicyReport[]>(policies_json)),
    ...deviations.map(({ report_json }) => parse<PolicyReport>(report_json)),
  ];
  for (const policy of read) policies.set(policyKey(policy), unchanged(before.get(policyKey(policy)), policy));
  const isSame = policies.size === before.size && [...policies].every(([key, policy]) => before.get(key) === policy);
  const stored = storedOf(row, isSame ? before : policies);
  const { acked, nack, report } = known.record;
  const record = {
    ...stored.record,
    acked: unchanged(acked, stored.record.acked),
    nack: unchanged(nack, stored.record.nack),
    report: unchanged(report, stored.record.report),
  };
  return { ...stored, record };
};

/** What says the same stays the same object: by that readers see that nothing has changed. */
const unchanged = <T>(before: T | undefined, now: T): T => (before !== undefined && isDeepStrictEqual(before, now) ? before : now);

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
