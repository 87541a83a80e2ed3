import type { PolicyReport, SourceView } from '@fso/shared/api';
import type { Checkpoint } from '@fso/shared/protocol';
import { auditOf, joinRefusals, type TimedEntry } from '../../audit/derive.ts';
import { applyChange, type Change, type ClusterChange, isClusterChange, leftOutOf, streamAfter } from '../../changes.ts';
import { historyBetween } from '../../cluster-history.ts';
import { keysBetween } from '../../interning.ts';
import { applyValueChange, type ValueKey } from '../../keyed-store.ts';
import type { ReportQuota } from '../../quota/report-quota.ts';
import type { ClusterRecord, HistoryChange } from '../../types.ts';
import { chunkOf, isConforming } from './chunks.ts';
import type { PreparedChange, PreparedEvent } from './prepared-change.ts';

/** A cluster as it is stored: its record, and what only replicas care about. */
export interface StoredCluster {
  readonly record: ClusterRecord;
  readonly connectedBy: string | null;
  /** Id of the stream that speaks for it: the one that was opened last. */
  readonly stream: string | null;
  readonly version: number;
  /** When the database says that it was last seen; null: never. The record may know better. */
  readonly writtenSeen: string | null;
}

export interface StoredLedger {
  readonly source: SourceView | null;
  /** Revision. */
  readonly desired: string | null;
  readonly cluster: (name: string) => StoredCluster;
  readonly record: (kind: string, name: string) => unknown;
  /** What is kept of the reports of a cluster. */
  readonly quotaOf: (record: ClusterRecord) => ReportQuota;
}

/** What a batch makes of one cluster. */
export interface ClusterWrite {
  readonly before: StoredCluster;
  after: StoredCluster;
  /** All that was stored of its policies goes. */
  forgotten: boolean;
  /** Keys of policies that reports changed since. */
  readonly touched: Set<string>;
  readonly history: HistoryChange[];
}

export interface Batch {
  source: SourceView | null;
  desired: string | null;
  readonly clusters: Map<string, ClusterWrite>;
  /** JSON of policies that came with the batch. */
  readonly texts: Map<PolicyReport, string>;
  readonly events: PreparedEvent[];
  audit: readonly TimedEntry[];
  /** By `kind name`. */
  readonly records: Map<string, ValueKey & { readonly value: unknown }>;
  readonly checkpoints: Checkpoint[];
  /** By cluster. */
  readonly witnesses: Map<string, { readonly checkpoint: Checkpoint; readonly time: string }>;
}

const holderAfter = (change: ClusterChange, { connectedBy }: StoredCluster, replica: string): string | null => {
  if (change.type !== 'connected') return connectedBy;
  return change.connected ? replica : null;
};

/** Whether all that is stored of a cluster's policies goes with a change. */
const dropsPolicies = (change: ClusterChange, before: ClusterRecord, after: ClusterRecord): boolean => {
  // What was not read is not known: nothing of it may stay beside what is written now.
  if (change.type === 'report') return change.report.full && before.notKept?.policies === null;
  return change.type === 'forget' && after.policies !== before.policies;
};

interface BatchOf {
  readonly stored: StoredLedger;
  readonly replica: string;
}

const takeClusterChange = (write: ClusterWrite, change: ClusterChange, { stored, replica }: BatchOf): void => {
  const { record, stream } = write.after;
  const connectedBy = holderAfter(change, write.after, replica);
  const after = applyChange(record, change, stored.quotaOf(record));
  write.after = { ...write.after, record: after, connectedBy, stream: streamAfter(change, stream) };
  if (dropsPolicies(change, record, after)) {
    write.forgotten = true;
    write.touched.clear();
  }
  const keys = change.type === 'report' || change.type === 'trim' ? keysBetween(record.policies, after.policies) : [];
  for (const key of keys) write.touched.add(key);
  const history = historyBetween(change, { before: record, after, keys });
  if (history !== undefined) write.history.push(history);
};

const newBatch = (): Batch => ({
  source: null,
  desired: null,
  clusters: new Map(),
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
    // Events and entries of the audit log are taken of every change.
    case 'event':
    case 'audit':
      break;
  }
};

const takeTexts = (batch: Batch, { policies, events }: PreparedChange): void => {
  for (const [policy, text] of policies) batch.texts.set(policy, text);
  for (const event of events) batch.events.push(event);
};

/** Folds changes into what has to be written, in their order; many changes of one cluster are one write. Pure. */
export const planBatch = (changes: readonly PreparedChange[], stored: StoredLedger, replica: string): Batch => {
  const batch = newBatch();
  const audit: TimedEntry[] = [];
  const writeOf = (name: string): ClusterWrite => {
    const before = stored.cluster(name);
    return batch.clusters.get(name) ?? { before, after: before, forgotten: false, touched: new Set(), history: [] };
  };
  const cluster = (name: string): ClusterRecord => writeOf(name).after.record;
  const isLeftOut = (change: Change): boolean => {
    if (!isClusterChange(change)) return false;
    const { record, stream } = writeOf(change.cluster).after;
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
    if (isClusterChange(change)) {
      const write = writeOf(change.cluster);
      takeClusterChange(write, change, { stored, replica });
      batch.clusters.set(change.cluster, write);
    } else takeOther(batch, stored, change);
  }
  batch.audit = joinRefusals(audit);
  return batch;
};

export interface PolicyWrites {
  readonly chunks: ReadonlySet<number>;
  readonly deviating: readonly (readonly [string, PolicyReport])[];
  /** Keys that no longer have a row of their own; of a forgotten cluster none, as all rows went. */
  readonly conforming: readonly string[];
}

interface Move {
  readonly key: string;
  readonly was: PolicyReport | undefined;
  readonly is: PolicyReport | undefined;
}

const conforms = (policy: PolicyReport | undefined): boolean => policy !== undefined && isConforming(policy);
const deviates = (policy: PolicyReport | undefined): policy is PolicyReport => policy !== undefined && !isConforming(policy);

/** Which rows of a cluster's policies a batch changes. Pure. */
export const planPolicies = ({ before, after, forgotten, touched }: ClusterWrite): PolicyWrites => {
  const was = forgotten ? new Map<string, PolicyReport>() : before.record.policies;
  const { policies } = after.record;
  const moves: Move[] = [...touched].map((key) => ({ key, was: was.get(key), is: policies.get(key) }));
  return {
    chunks: new Set(moves.filter((move) => conforms(move.was) || conforms(move.is)).map(({ key }) => chunkOf(key))),
    deviating: moves.flatMap(({ key, is }) => (deviates(is) ? [[key, is] as const] : [])),
    conforming: moves.flatMap((move) => (deviates(move.was) && !deviates(move.is) ? [move.key] : [])),
  };
};
