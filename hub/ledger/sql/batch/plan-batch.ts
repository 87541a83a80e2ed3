import type { PolicyReport, SourceView } from '@fso/shared/api';
import type { Checkpoint } from '@fso/shared/protocol';
import { createYielder, threadCpuMs } from '@fso/shared/runtime';
import { isWhole } from '@fso/shared/status';
import { auditOf, joinAlike, type TimedEntry } from '../../audit/derive.ts';
import {
  applyChange,
  type Change,
  type ClusterChange,
  type ClusterOutcome,
  isClusterChange,
  leftOutOf,
  streamAfter,
} from '../../changes.ts';
import { historyBetween } from '../../history/cluster-history.ts';
import { applyValueChange, type ValueKey } from '../../keyed-store.ts';
import { keysBetween, type NamedPolicies, namedIn, type PolicyLists } from '../../policies/index.ts';
import type { ReportQuota } from '../../report-quota.ts';
import type { ClusterRecord, HistoryChange } from '../../types.ts';
import type { ListRow } from '../policy-lists.ts';
import type { PreparedChange, PreparedEvent } from './prepared-change.ts';

/** Stored cluster: its record, and fields that only replicas need. */
export interface StoredCluster {
  readonly record: ClusterRecord;
  readonly connectedBy: string | null;
  /** Id of the cluster's current stream, which was opened last. */
  readonly stream: string | null;
  readonly version: number;
  /**
   * Time of the last sign of life in the database; null: never. The record may have a later one.
   */
  readonly writtenSeen: string | null;
  /** Whether an older version wrote the report in one column. The next write splits it. */
  readonly hasWholeReport?: boolean | undefined;
}

/** State of the database before a batch. */
export interface StoredLedger {
  readonly source: SourceView | null;
  /** Revision of the desired state. */
  readonly desired: string | null;
  readonly cluster: (name: string) => StoredCluster;
  readonly record: (kind: string, name: string) => unknown;
  /** Returns the quota for the reports of a cluster. */
  readonly quotaOf: (record: ClusterRecord) => ReportQuota;
  readonly lists: PolicyLists;
}

/** Changes of a batch to one cluster. */
export interface ClusterWrite {
  readonly before: StoredCluster;
  after: StoredCluster;
  /** Whether all stored rows of its policies are deleted. */
  forgotten: boolean;
  /** Keys of the named policies that the batch added, removed or changed. */
  readonly touched: Set<string>;
  readonly history: HistoryChange[];
  /** Outcome of its last report. The cost of the write is added to it. */
  reported?: ClusterOutcome | undefined;
}

/** Rows to write for a batch of changes. */
export interface Batch {
  source: SourceView | null;
  desired: string | null;
  readonly clusters: Map<string, ClusterWrite>;
  readonly lists: ListRow[];
  /** JSON of the policies in the batch. */
  readonly texts: Map<PolicyReport, string>;
  readonly events: PreparedEvent[];
  audit: readonly TimedEntry[];
  /** Changed records by `kind name`. */
  readonly records: Map<string, ValueKey & { readonly value: unknown }>;
  readonly checkpoints: Checkpoint[];
  /** Checkpoints reported by agents, by cluster. */
  readonly witnesses: Map<string, { readonly checkpoint: Checkpoint; readonly time: string }>;
}

const holderAfter = (change: ClusterChange, { connectedBy }: StoredCluster, replica: string): string | null => {
  if (change.type !== 'connected') return connectedBy;
  return change.connected ? replica : null;
};

/** Whether a change deletes all stored policies of a cluster. */
const dropsPolicies = (change: ClusterChange, before: ClusterRecord, after: ClusterRecord): boolean =>
  change.type === 'forget' && after.policies !== before.policies;

interface BatchOf {
  readonly stored: StoredLedger;
  readonly replica: string;
}

const changedKeys = (before: NamedPolicies, after: NamedPolicies): readonly string[] =>
  before === after ? [] : [...new Set([...before.keys(), ...after.keys()])].filter((key) => before.get(key) !== after.get(key));

/** Returns a cluster after the changes of the batch so far. */
const clusterAfter = (batch: Batch, stored: StoredLedger, name: string): StoredCluster =>
  batch.clusters.get(name)?.after ?? stored.cluster(name);

const writeOf = (batch: Batch, stored: StoredLedger, name: string): ClusterWrite => {
  const known = batch.clusters.get(name);
  if (known !== undefined) return known;
  const before = stored.cluster(name);
  return { before, after: before, forgotten: false, touched: new Set(), history: [] };
};

const takeClusterChange = (batch: Batch, change: ClusterChange, { stored, replica }: BatchOf): void => {
  const write = writeOf(batch, stored, change.cluster);
  const { record, stream } = write.after;
  const connectedBy = holderAfter(change, write.after, replica);
  const after = applyChange(record, change, { quota: stored.quotaOf(record), lists: stored.lists });
  write.after = { ...write.after, record: after, connectedBy, stream: streamAfter(change, stream) };
  if (dropsPolicies(change, record, after)) {
    write.forgotten = true;
    write.touched.clear();
  }
  for (const key of changedKeys(namedIn(record.policies), namedIn(after.policies))) write.touched.add(key);
  const keys = keysBetween(record.policies, after.policies);
  const history = historyBetween(change, { before: record, after, keys });
  if (history !== undefined) write.history.push(history);
  // Another hub may have written the change already.
  const isKnown = change.type === 'relist' && after === record;
  if (!isKnown) batch.clusters.set(change.cluster, write);
};

/**
 * Applies a change. The cost of a report is measured here, because reports are applied in batches,
 * long after they were sent.
 */
const takeMetered = (batch: Batch, change: ClusterChange, preparedMs: number, context: BatchOf): void => {
  if (change.type !== 'report' || change.outcome === undefined) {
    takeClusterChange(batch, change, context);
    return;
  }
  const before = threadCpuMs();
  takeClusterChange(batch, change, context);
  change.outcome.cpuMs = preparedMs + threadCpuMs() - before;
  const write = batch.clusters.get(change.cluster);
  if (write !== undefined) write.reported = change.outcome;
};

const newBatch = (): Batch => ({
  source: null,
  desired: null,
  clusters: new Map(),
  lists: [],
  texts: new Map(),
  events: [],
  audit: [],
  records: new Map(),
  checkpoints: [],
  witnesses: new Map(),
});

const takeRecord = (batch: Batch, stored: StoredLedger, { kind, name, change, outcome }: Extract<Change, { type: 'record' }>): void => {
  const key = `${kind} ${name}`;
  const before = batch.records.has(key) ? batch.records.get(key)?.value : stored.record(kind, name);
  if (applyValueChange(before, change, outcome)) batch.records.set(key, { kind, name, value: outcome.after });
};

const takeOther = (batch: Batch, stored: StoredLedger, change: Exclude<Change, ClusterChange>): void => {
  switch (change.type) {
    case 'source':
      batch.source = change.source;
      break;
    case 'desired':
      batch.desired = change.revision;
      break;
    case 'record':
      takeRecord(batch, stored, change);
      break;
    case 'checkpoint':
      batch.checkpoints.push(change.checkpoint);
      break;
    case 'witness':
      batch.witnesses.set(change.cluster, change);
      break;
    // Events, audit entries and lists are collected from every change.
    case 'event':
    case 'audit':
    case 'list':
      break;
  }
};

const takeTexts = (batch: Batch, { policies, events, list }: PreparedChange): void => {
  if (list !== undefined) batch.lists.push(list);
  for (const [policy, text] of policies) batch.texts.set(policy, text);
  for (const event of events) batch.events.push(event);
};

/** Time after which planning yields the thread, in milliseconds. Checked between changes. */
const SLICE_MS = 10;

/**
 * Combines changes, in order, into the rows to write; several changes of one cluster become one
 * write. Does no I/O, and yields to other work: a report of a thousand policies takes milliseconds.
 *
 * @param stored must not change meanwhile, except for signs of life
 */
export const planBatch = async (changes: readonly PreparedChange[], stored: StoredLedger, replica: string): Promise<Batch> => {
  const batch = newBatch();
  const giveWay = createYielder(SLICE_MS);
  const audit: TimedEntry[] = [];
  const cluster = (name: string): ClusterRecord => clusterAfter(batch, stored, name).record;
  const isLeftOut = (change: Change): boolean => {
    if (!isClusterChange(change)) return false;
    const { record, stream } = clusterAfter(batch, stored, change.cluster);
    const leftOut = leftOutOf(change, record, stream);
    if (change.outcome !== undefined) change.outcome.leftOut = leftOut;
    return leftOut !== undefined;
  };
  for (const prepared of changes) {
    const { change } = prepared;
    if (isLeftOut(change)) continue;
    const before = { source: batch.source ?? stored.source, desired: batch.desired ?? stored.desired, cluster };
    for (const entry of auditOf(change, before)) audit.push({ entry, time: change.time });
    takeTexts(batch, prepared);
    if (isClusterChange(change)) takeMetered(batch, change, prepared.cpuMs, { stored, replica });
    else takeOther(batch, stored, change);
    await giveWay();
  }
  batch.audit = joinAlike(audit);
  return batch;
};

/** Rows of a cluster's policies to write and to delete. */
export interface PolicyWrites {
  readonly written: readonly (readonly [string, PolicyReport])[];
  /** Keys to delete. Empty for a forgotten cluster, all of whose rows are deleted. */
  readonly deleted: readonly string[];
}

const hasWhole = (named: NamedPolicies, key: string): boolean => {
  const found = named.get(key);
  return found !== undefined && isWhole(found);
};

/** Plans which rows of a cluster's policies a batch writes and deletes. Pure. */
export const planPolicies = ({ before, after, forgotten, touched }: ClusterWrite): PolicyWrites => {
  const was = namedIn(before.record.policies);
  const is = namedIn(after.record.policies);
  const keys = [...touched];
  return {
    written: keys.flatMap((key) => {
      const named = is.get(key);
      return named === undefined || !isWhole(named) || (!forgotten && was.get(key) === named) ? [] : [[key, named] as const];
    }),
    deleted: keys.filter((key) => !forgotten && hasWhole(was, key) && !hasWhole(is, key)),
  };
};
