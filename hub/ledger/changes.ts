import type { ClusterEvent, NewAuditEntry, SourceView } from '@fso/shared/api';
import { canonicalJson, sha256 } from '@fso/shared/encoding';
import type { Checkpoint } from '@fso/shared/protocol';
import type { ValueChange, ValueKey, ValueOutcome } from './keyed-store.ts';
import { type NewList, namedIn, type PolicyList, UnlistedPolicies } from './policies/index.ts';
import { type ReportContext, recordReport, relistPolicies } from './record-report.ts';
import type { AckedRevision, AgentStream, AnsweringReport, ClusterRecord, Nack, NotObserved } from './types.ts';

/** Fields of changes that only the leading hub submits. */
interface LeaderChange {
  /**
   * Term in which the change was submitted. It is skipped once another term has begun. Undefined:
   * there is only one hub.
   */
  readonly epoch?: number;
}

/**
 * Write to the ledger. It carries everything that is needed to apply it to the record in memory
 * and to the database alike.
 */
export type Change = { readonly time: string } & (
  | ({ readonly type: 'source'; readonly source: SourceView } & LeaderChange)
  | ({ readonly type: 'desired'; readonly revision: string } & LeaderChange)
  | ClusterChange
  /** A policy list that the database may lack. */
  | { readonly type: 'list'; readonly list: NewList }
  | { readonly type: 'event'; readonly cluster: string | null; readonly event: ClusterEvent }
  | { readonly type: 'audit'; readonly entry: NewAuditEntry }
  | ({ readonly type: 'record'; readonly change: ValueChange; readonly outcome: ValueOutcome } & ValueKey)
  | ({ readonly type: 'checkpoint'; readonly checkpoint: Checkpoint } & LeaderChange)
  | { readonly type: 'witness'; readonly cluster: string; readonly checkpoint: Checkpoint }
);

/** Whether a refusal repeats the last one. An agent that reconnects refuses again. */
export const isRepeated = (before: Nack | null | undefined, { revision, reasons }: Nack): boolean =>
  before?.revision === revision && canonicalJson(before.reasons) === canonicalJson(reasons);

/**
 * Reason why a change was not applied: its stream was replaced, or a report before it is missing.
 */
export type LeftOut = 'replaced' | 'gap';

/**
 * Result of a change to a cluster. Filled while the change is planned; final once it is committed.
 */
export interface ClusterOutcome {
  leftOut?: LeftOut | undefined;
  /** CPU time for applying a report, in milliseconds. */
  cpuMs?: number;
}

interface ClusterChangeBase {
  readonly time: string;
  readonly cluster: string;
  readonly stream?: AgentStream | undefined;
  readonly outcome?: ClusterOutcome;
}

/** Change to the record of one cluster. */
export type ClusterChange = ClusterChangeBase &
  (
    | {
        readonly type: 'connected';
        readonly connected: boolean;
        /** Whether its stream becomes the current one of the cluster. */
        readonly opens?: boolean;
        /** Ids of streams that ended while the change waited to be written. */
        readonly ended?: readonly string[];
        /** Parts that the agent of the opened stream does not observe. */
        readonly outOfDate?: readonly string[];
        /**
         * Whether the agent has accepted no commit yet. State of an earlier agent is stale then.
         */
        readonly isNew?: boolean;
      }
    | { readonly type: 'observed'; readonly outOfDate: readonly string[] }
    | { readonly type: 'confirmed' }
    /** The record differs from what the agent has reported. */
    | { readonly type: 'diverged' }
    | { readonly type: 'offered'; readonly revision: string; readonly at?: string | undefined }
    | { readonly type: 'ack'; readonly answer: AckedRevision }
    | { readonly type: 'nack'; readonly nack: Nack; readonly told: boolean }
    /**
     * Report of the agent. `list` is the policy list of its baseline, if known; it stays in memory
     * while the change waits.
     */
    | { readonly type: 'report'; readonly report: AnsweringReport; readonly list?: PolicyList | undefined }
    /** The policy list of the baseline has become known. */
    | { readonly type: 'relist' }
    | { readonly type: 'forget' }
  );

type Connected = Extract<ClusterChange, { type: 'connected' }>;

const LEADER_CHANGES: readonly Change['type'][] = ['source', 'desired', 'checkpoint'];

/** Whether only the leading hub makes changes of this type. */
export const isLeaderChange = (change: { readonly type: Change['type'] }): boolean => LEADER_CHANGES.includes(change.type);

const CLUSTER_CHANGES: readonly Change['type'][] = [
  'connected',
  'observed',
  'confirmed',
  'diverged',
  'offered',
  'ack',
  'nack',
  'report',
  'relist',
  'forget',
];

/** Whether a change concerns the record of one cluster. */
export const isClusterChange = (change: Change): change is ClusterChange => CLUSTER_CHANGES.includes(change.type);

/** Creates the record of a cluster that never connected. */
export const neverSeenCluster = (name: string): ClusterRecord => ({
  name,
  connected: false,
  notObserved: null,
  lastSeen: null,
  offeredRevision: null,
  offeredAt: null,
  acked: null,
  nack: null,
  report: null,
  baseline: null,
  policies: new Map(),
  notKept: null,
  policiesChanged: null,
  reportedSeq: 0,
  divergedSince: null,
});

/** Whether a record is empty: its cluster was never seen, or was forgotten. */
export const isUnseen = ({ connected, lastSeen, offeredRevision, acked, nack, report, policies }: ClusterRecord): boolean =>
  !connected && policies.size === 0 && [lastSeen, offeredRevision, acked, nack, report].every((value) => value === null);

/** Thrown if another stream of the same cluster was opened later. */
export class StreamReplacedError extends Error {
  override readonly message = 'the same cluster connected again';
}

/**
 * Thrown if a delta does not follow the last applied report, because a report in between was lost.
 */
export class ReportGapError extends Error {
  override readonly message = 'a report before this one is missing';
}

/** Current stream of a cluster. */
export interface StreamHolder {
  /** Id of the stream opened last; null: unknown. */
  readonly stream: string | null;
  readonly connected: boolean;
}

/**
 * Whether a change comes from a stream that is not the current one of its cluster, and must be
 * ignored. A new stream replaces the current one, except if it has already closed while the current
 * one is still open.
 */
export const isOutdated = (change: ClusterChange, holder: StreamHolder): boolean => {
  const { stream } = change;
  if (stream === undefined || holder.stream === null || stream.id === holder.stream) return false;
  if (change.type !== 'connected' || change.opens !== true) return true;
  const isThere = holder.connected && change.ended?.includes(holder.stream) !== true;
  return isThere && !stream.isOpen();
};

/** Checks whether a change must not be applied. @returns the reason; undefined if it applies */
export const leftOutOf = (change: ClusterChange, record: ClusterRecord, stream: string | null): LeftOut | undefined => {
  if (isOutdated(change, { stream, connected: record.connected })) return 'replaced';
  const isGap = change.type === 'report' && !change.report.full && change.report.seq !== record.reportedSeq + 1;
  return isGap ? 'gap' : undefined;
};

/** Returns the id of the cluster's current stream after a change. */
export const streamAfter = (change: ClusterChange, before: string | null): string | null =>
  change.type === 'connected' && change.opens === true ? (change.stream?.id ?? before) : before;

/** Whether the record already has this list of parts that are not observed. */
export const isNoted = ({ connected, notObserved }: ClusterRecord, outOfDate: readonly string[]): boolean =>
  connected && (notObserved?.what ?? []).join('\n') === outOfDate.join('\n');

const notObservedBy = (before: NotObserved | null, outOfDate: readonly string[], time: string): NotObserved | null =>
  outOfDate.length === 0 ? null : { since: before?.since ?? time, what: outOfDate };

/**
 * Applies the start or the end of a connection. A new stream resets `notObserved`. Without a stream
 * it is null, because `connected` already says that nothing is observed.
 */
const connect = (record: ClusterRecord, { connected, opens, outOfDate = [], isNew = false, time }: Connected): ClusterRecord => {
  const kept = opens === true ? notObservedBy(null, outOfDate, time) : record.notObserved;
  const known = isNew ? asNew(record) : record;
  return { ...known, connected, notObserved: connected ? kept : null, lastSeen: { at: time } };
};

/**
 * Clears what an earlier agent has reported. Which policies the cluster should have is unknown
 * until the new agent accepts a commit.
 */
const asNew = (record: ClusterRecord): ClusterRecord => ({
  ...record,
  acked: null,
  report: record.report && { ...record.report, revision: null, provenRevision: null },
  baseline: null,
  policies: new UnlistedPolicies(namedIn(record.policies)),
});

const asOffered = (record: ClusterRecord, revision: string, at: string | undefined): ClusterRecord =>
  at === undefined ? record : { ...record, offeredRevision: revision, offeredAt: at };

const asAcked = (record: ClusterRecord, answer: AckedRevision | undefined): ClusterRecord => {
  if (answer === undefined) return record;
  const { offeredAt, ...acked } = answer;
  return { ...asOffered(record, acked.revision, offeredAt), acked, nack: null };
};

const asNacked = (record: ClusterRecord, { offeredAt, ...nack }: Nack, time: string): ClusterRecord => ({
  ...asOffered(record, nack.revision, offeredAt),
  nack: { ...nack, time },
});

const withList = (context: ReportContext, list: PolicyList | undefined): ReportContext =>
  list === undefined ? context : { ...context, lists: { get: (digest) => (digest === list.digest ? list : context.lists.get(digest)) } };

/**
 * Returns the record after a change. Records are immutable, so readers may keep them. The only
 * exception is the time of the last sign of life, which is updated in place.
 */
export const applyChange = (record: ClusterRecord, change: ClusterChange, context: ReportContext): ClusterRecord => {
  const lastSeen = { at: change.time };
  switch (change.type) {
    case 'connected':
      // The stream of a cluster that was forgotten meanwhile has ended: the record stays empty.
      return !change.connected && isUnseen(record) ? record : connect(record, change);
    case 'observed':
      return record.connected ? { ...record, notObserved: notObservedBy(record.notObserved, change.outOfDate, change.time) } : record;
    case 'confirmed':
      return { ...record, lastSeen };
    case 'diverged':
      return { ...record, divergedSince: record.divergedSince ?? change.time, lastSeen };
    case 'offered':
      return asOffered(record, change.revision, change.at ?? change.time);
    case 'ack':
      return { ...asAcked(record, change.answer), lastSeen };
    case 'nack':
      return { ...asNacked(record, change.nack, change.time), lastSeen };
    case 'report':
      return {
        ...recordReport(asAcked(record, change.report.answer), change.report, change.time, withList(context, change.list)),
        lastSeen,
      };
    case 'relist':
      return relistPolicies(record, change.time, context);
    case 'forget':
      // Only a cluster that is not connected can be forgotten. This one reconnected meanwhile.
      return record.connected ? record : neverSeenCluster(record.name);
  }
};

/** Lists the events that a change adds. */
export const eventsOfChange = (change: Change): readonly { readonly cluster: string | null; readonly event: ClusterEvent }[] => {
  if (change.type === 'event') return [{ cluster: change.cluster, event: change.event }];
  if (change.type === 'report') return change.report.events.map((event) => ({ cluster: change.cluster, event }));
  return [];
};

/**
 * Digest that identifies an event, so that it is stored once. Agents resend events until the report
 * with them is acknowledged.
 */
export const digestOfEvent = (cluster: string | null, event: ClusterEvent): string => sha256(`${cluster ?? ''}\n${canonicalJson(event)}`);
