import { type AgentClusterReport, type PolicyReport, policyKey, type SourceView } from '@fso/shared/api';
import { factsAfter } from '@fso/shared/protocol';
import { type Baseline, type DeviationGroup, deviationsIn, isSameBaseline, type NamedPolicy } from '@fso/shared/status';
import { type Kysely, type Selectable, sql } from 'kysely';
import { listIn, type NamedPolicies, namedIn, type PolicyList, type PolicyLists } from '../../policies/index.ts';
import { keepUnchanged, policiesOf } from '../../record-report.ts';
import type { ClusterRecord, NotObserved } from '../../types.ts';
import type { StoredCluster } from '../batch/plan-batch.ts';
import { slices } from '../batch/statements.ts';
import { readLists } from '../policy-lists.ts';
import { CLUSTER_COLUMNS, type ClusterTable, type Schema } from '../schema.ts';

/** Parses JSON of a row. Not validated, because only this program writes it. */
const parse = <T>(json: string): T => JSON.parse(json) as T;

/**
 * Reads the parts that are not observed, if they belong to the current stream. An older program
 * does not update the column when a new stream begins.
 */
const notObservedOf = ({ connected_by, stream, not_observed_json }: Selectable<ClusterTable>): ClusterRecord['notObserved'] => {
  if (connected_by === null || not_observed_json === null) return null;
  const { stream: saidBy, ...notObserved } = parse<NotObserved & { readonly stream: string | null }>(not_observed_json);
  return saidBy === stream ? notObserved : null;
};

const baselineOf = ({ baseline_json }: Pick<ClusterTable, 'baseline_json'>): Baseline | null =>
  baseline_json === null ? null : parse(baseline_json);

const deviationsOf = ({ deviations_json }: Pick<ClusterTable, 'deviations_json'>) =>
  deviations_json === null ? [] : deviationsIn(parse<DeviationGroup[]>(deviations_json));

type StoredReport = Pick<StoredCluster, 'hasWholeReport'> & { readonly report: ClusterRecord['report'] };

/**
 * Reads what a cluster reported of itself. An older version, which may run at the same time, writes
 * all of it to one column and does not update the other.
 */
const reportOf = ({ report_json, revision_json }: Pick<ClusterTable, 'report_json' | 'revision_json'>): StoredReport => {
  if (report_json === null) return { report: null, hasWholeReport: false };
  const report = parse<AgentClusterReport>(report_json);
  if ('revision' in report || revision_json === null) return { report, hasWholeReport: true };
  return { report: factsAfter(report, { revision: parse(revision_json) }), hasWholeReport: false };
};

/** Policies of a cluster as read from the database. */
interface ReadPolicies {
  /** Policies that are stored by name. */
  readonly named: NamedPolicies;
  readonly lists: ReadonlyMap<string, PolicyList>;
}

const recordOf = (row: Selectable<ClusterTable>, { named, lists }: ReadPolicies, report: ClusterRecord['report']): ClusterRecord => ({
  name: row.name,
  connected: row.connected_by !== null,
  notObserved: notObservedOf(row),
  lastSeen: row.last_seen === null ? null : { at: row.last_seen },
  offeredRevision: row.offered_revision,
  offeredAt: row.offered_at,
  acked: row.acked_revision === null ? null : { revision: row.acked_revision, digest: row.acked_digest },
  nack: row.nack_json === null ? null : parse(row.nack_json),
  report,
  baseline: baselineOf(row),
  policies: policiesOf(baselineOf(row), named, lists),
  notKept: row.not_kept,
  policiesChanged: row.policies_changed,
  reportedSeq: row.reported_seq,
  divergedSince: row.diverged_since,
});

const storedOf = (row: Selectable<ClusterTable>, policies: ReadPolicies): StoredCluster => {
  const { report, hasWholeReport } = reportOf(row);
  return {
    record: recordOf(row, policies, report),
    connectedBy: row.connected_by,
    stream: row.stream,
    version: row.version,
    writtenSeen: row.last_seen,
    hasWholeReport,
  };
};

/**
 * Maximum length of the JSON of a cluster's report and of its reasons for refusing a commit, in
 * bytes. Longer values, written by an older version, are skipped: the agent reports them again.
 */
const MAX_FACTS = 256 * 1024;

type FactsColumn = 'report_json' | 'nack_json';
const readable = (column: FactsColumn) =>
  sql<string | null>`case when octet_length(${sql.ref(column)}) <= ${sql.lit(MAX_FACTS)} then ${sql.ref(column)} end`;

const ROW = ['name', ...CLUSTER_COLUMNS, readable('nack_json').as('nack_json'), readable('report_json').as('report_json')] as const;

const selectRows = (db: Kysely<Schema>, names: readonly string[]): Promise<readonly Selectable<ClusterTable>[]> =>
  db.selectFrom('clusters').select(ROW).where('name', 'in', names).execute();

/**
 * Maximum number of clusters read at once. Each may have thousands of policies. Clusters with
 * megabytes of deviations are read a few at a time.
 */
const CLUSTERS = 100;

const loadReports = async (db: Kysely<Schema>, names: readonly string[]): Promise<Map<string, Map<string, PolicyReport>>> => {
  const found = new Map(names.map((name) => [name, new Map<string, PolicyReport>()]));
  const rows = await db.selectFrom('reports').select(['cluster', 'report_json']).where('cluster', 'in', names).execute();
  for (const { cluster, report_json } of rows) {
    const policy = parse<PolicyReport>(report_json);
    found.get(cluster)?.set(policyKey(policy), policy);
  }
  return found;
};

/** Reads the stored lists of some clusters, by digest. */
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

interface ReadOptions {
  readonly lists: PolicyLists;
  /** Returns the known state of a cluster. Only newer states are read. */
  readonly knownOf: (name: string) => StoredCluster;
}

/** Reads the named clusters whose stored state is newer than the known one. */
export async function* readClusters(db: Kysely<Schema>, names: readonly string[], options: ReadOptions): AsyncGenerator<StoredCluster> {
  const { knownOf } = options;
  for (let at = 0; at < names.length; at += CLUSTERS) {
    const newer = await selectNewer(db, names.slice(at, at + CLUSTERS), knownOf);
    for (const some of slices(newer, ({ size }) => size))
      yield* readSome(
        db,
        some.map(({ name }) => name),
        options,
      );
  }
}

/** Reads one group of clusters. */
async function* readSome(db: Kysely<Schema>, names: readonly string[], { lists, knownOf }: ReadOptions): AsyncGenerator<StoredCluster> {
  const rows = await selectRows(db, names);
  const reports = await loadReports(db, names);
  const known = await loadLists(db, rows, lists);
  for (const row of rows) {
    const named = new Map<string, NamedPolicy>([...deviationsOf(row), ...(reports.get(row.name) ?? [])]);
    yield readRow(knownOf(row.name), row, { named, lists: known });
  }
}

interface NewerCluster {
  readonly name: string;
  /** Size of the deviations as JSON, in bytes. */
  readonly size: number;
}

/**
 * Selects the clusters that are newer in the database. Usually there are none, because other hubs
 * seldom write this hub's clusters.
 */
const selectNewer = async (
  db: Kysely<Schema>,
  names: readonly string[],
  knownOf: ReadOptions['knownOf'],
): Promise<readonly NewerCluster[]> => {
  const size = sql<number | null>`octet_length(deviations_json)`.as('size');
  const rows = await db.selectFrom('clusters').select(['name', 'version', size]).where('name', 'in', names).execute();
  return rows.flatMap(({ name, version, size }) => (version > knownOf(name).version ? [{ name, size: size ?? 0 }] : []));
};

/** Returns a cluster that was read. Unchanged parts keep their objects. */
const readRow = (known: StoredCluster, row: Selectable<ClusterTable>, { named, lists }: ReadPolicies): StoredCluster => {
  const before = namedIn(known.record.policies);
  const read = new Map([...named].map(([key, each]) => [key, keepUnchanged(before.get(key), each)]));
  const isSame = read.size === before.size && [...read].every(([key, each]) => before.get(key) === each);
  const stored = storedOf(row, { named: isSame ? before : read, lists });
  const { acked, nack, report, notObserved, policies } = known.record;
  const isAlike = isSame && isSameBaseline(known.record.baseline, stored.record.baseline);
  const record = {
    ...stored.record,
    acked: keepUnchanged(acked, stored.record.acked),
    nack: keepUnchanged(nack, stored.record.nack),
    report: keepUnchanged(report, stored.record.report),
    notObserved: keepUnchanged(notObserved, stored.record.notObserved),
    leftOut: isSame ? known.record.leftOut : undefined,
    ...(isAlike &&
      listIn(known.record) === listIn(stored.record) &&
      known.record.baseline?.asOf === stored.record.baseline?.asOf && { policies }),
  };
  return { ...stored, record };
};

/** Value with the version of the commit that wrote it; 0: never written. */
export interface Versioned<T> {
  readonly value: T | null;
  readonly version: number;
}

/** Stored repository state and desired revision. */
export interface StoredState {
  readonly source: Versioned<SourceView>;
  /** Desired revision. */
  readonly desired: Versioned<string>;
}

/** Reads {@link StoredState} from the database. */
export const loadState = async (db: Kysely<Schema>): Promise<StoredState> => {
  const rows = await db.selectFrom('state').select(['name', 'json', 'version']).execute();
  const stateOf = <T>(name: keyof StoredState): Versioned<T> => {
    const row = rows.find((stored) => stored.name === name);
    return row === undefined ? { value: null, version: 0 } : { value: parse<T>(row.json), version: row.version };
  };
  return { source: stateOf('source'), desired: stateOf('desired') };
};
