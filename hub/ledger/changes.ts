import { type ClusterEvent, type NewAuditEntry, policyKey, type SourceView } from '@fso/shared/api';
import { canonicalJson, sha256 } from '@fso/shared/encoding';
import type { Checkpoint, Report } from '@fso/shared/protocol';
import type { ValueChange, ValueKey, ValueOutcome } from './keyed-store.ts';
import type { AckedRevision, AgentStream, ClusterRecord, Ledger, Nack } from './types.ts';

/** What only the hub that leads writes. */
interface LeaderChange {
  /** Term in which it was submitted: it is left out where another one has begun. Absent where one hub is alone. */
  readonly epoch?: number;
}

/** A write of the ledger. It holds all that there is to know, so that it changes a record and the database the same way. */
export type Change = { readonly time: string } & (
  | ({ readonly type: 'source'; readonly source: SourceView } & LeaderChange)
  | ({ readonly type: 'desired'; readonly revision: string } & LeaderChange)
  | ClusterChange
  | { readonly type: 'event'; readonly cluster: string | null; readonly event: ClusterEvent }
  | { readonly type: 'audit'; readonly entry: NewAuditEntry }
  | ({ readonly type: 'record'; readonly change: ValueChange; readonly outcome: ValueOutcome } & ValueKey)
  | ({ readonly type: 'checkpoint'; readonly checkpoint: Checkpoint } & LeaderChange)
  | { readonly type: 'witness'; readonly cluster: string; readonly checkpoint: Checkpoint }
);

/** An agent that comes back refuses again what it is offered again: that is nothing new. */
export const isRepeated = (before: Nack | null | undefined, { revision, reasons }: Nack): boolean =>
  before?.revision === revision && canonicalJson(before.reasons) === canonicalJson(reasons);

/** How a change by a stream ended; filled when it is planned, true once it is committed. */
export interface StreamOutcome {
  /** Another stream speaks for the cluster: the change was left out. */
  replaced?: boolean;
}

interface ClusterChangeBase {
  readonly time: string;
  readonly cluster: string;
  readonly stream?: AgentStream | undefined;
  readonly outcome?: StreamOutcome;
}

export type ClusterChange = ClusterChangeBase &
  (
    | {
        readonly type: 'connected';
        readonly connected: boolean;
        /** Its stream speaks for the cluster from now on. */
        readonly opens?: boolean;
        /** Ids of streams that ended while the change waited. */
        readonly ended?: readonly string[];
      }
    | { readonly type: 'offered'; readonly revision: string }
    | { readonly type: 'ack'; readonly ack: AckedRevision }
    | { readonly type: 'nack'; readonly nack: Nack; readonly told: boolean }
    | { readonly type: 'report'; readonly report: Report }
    | { readonly type: 'forget' }
  );

const LEADER_CHANGES: readonly Change['type'][] = ['source', 'desired', 'checkpoint'];

export const isLeaderChange = (change: { readonly type: Change['type'] }): boolean => LEADER_CHANGES.includes(change.type);

const CLUSTER_CHANGES: readonly Change['type'][] = ['connected', 'offered', 'ack', 'nack', 'report', 'forget'];

export const isClusterChange = (change: Change): change is ClusterChange => CLUSTER_CHANGES.includes(change.type);

export const unseen = (name: string): ClusterRecord => ({
  name,
  connected: false,
  lastSeen: null,
  offeredRevision: null,
  acked: null,
  nack: null,
  report: null,
  policies: new Map(),
  reportedSeq: 0,
});

/** Whether a record says nothing: of a cluster that was never seen, or that was forgotten. */
export const isUnseen = ({ connected, lastSeen, offeredRevision, acked, nack, report, policies }: ClusterRecord): boolean =>
  !connected && policies.size === 0 && [lastSeen, offeredRevision, acked, nack, report].every((said) => said === null);

/** Thrown where a cluster is spoken for by a stream that was opened later. */
export class StreamReplacedError extends Error {
  override readonly message = 'the same cluster connected again';
}

/** Whose word counts for a cluster. */
export interface StreamHolder {
  /** Id of the stream that was opened last; null: not known. */
  readonly stream: string | null;
  readonly connected: boolean;
}

/**
 * Whether a change comes by another stream than the one that speaks for its cluster, and leaves nothing. An opened stream takes over, unless
 * it has ended before that could be written, while another one is there.
 */
export const isOutdated = (change: ClusterChange, holder: StreamHolder): boolean => {
  const { stream } = change;
  if (stream === undefined || holder.stream === null || stream.id === holder.stream) return false;
  if (change.type !== 'connected' || change.opens !== true) return true;
  const isThere = holder.connected && change.ended?.includes(holder.stream) !== true;
  return isThere && !stream.isOpen();
};

/** Id of the stream that speaks for the cluster after a change. */
export const streamAfter = (change: ClusterChange, before: string | null): string | null =>
  change.type === 'connected' && change.opens === true ? (change.stream?.id ?? before) : before;

/** A report carries changes; what it does not mention stays as it was, unless it is a full one. */
const mergePolicies = (known: ClusterRecord['policies'], report: Report): ClusterRecord['policies'] => {
  const merged = new Map(report.full ? [] : known);
  for (const policy of report.policies) merged.set(policyKey(policy), policy);
  for (const key of report.removed) merged.delete(key);
  return merged;
};

/** The record after a change. Records are replaced, never changed, so that a reader may keep what it was given. */
export const applyChange = (record: ClusterRecord, change: ClusterChange): ClusterRecord => {
  const lastSeen = change.time;
  switch (change.type) {
    case 'connected':
      // The end of a stream says nothing of a cluster that was forgotten meanwhile.
      return !change.connected && isUnseen(record) ? record : { ...record, connected: change.connected, lastSeen };
    case 'offered':
      return { ...record, offeredRevision: change.revision };
    case 'ack':
      return { ...record, acked: change.ack, nack: null, lastSeen };
    case 'nack':
      return { ...record, nack: { ...change.nack, time: change.time }, lastSeen };
    case 'report': {
      const { report } = change;
      return {
        ...record,
        policies: mergePolicies(record.policies, report),
        report: report.cluster ?? record.report,
        reportedSeq: report.seq,
        lastSeen,
      };
    }
    case 'forget':
      // A cluster that came back meanwhile is no longer retired.
      return record.connected ? record : unseen(record.name);
  }
};

/** Events that a change brings with it. */
export const eventsOfChange = (change: Change): readonly { readonly cluster: string | null; readonly event: ClusterEvent }[] => {
  if (change.type === 'event') return [{ cluster: change.cluster, event: change.event }];
  if (change.type === 'report') return change.report.events.map((event) => ({ cluster: change.cluster, event }));
  return [];
};

/** By it an event is kept once: an agent sends events again whose report was not answered. */
export const digestOfEvent = (cluster: string | null, event: ClusterEvent): string => sha256(`${cluster ?? ''}\n${canonicalJson(event)}`);

type WithoutTime<C> = C extends unknown ? Omit<C, 'time'> : never;
/** A change whose time is that of its submission. */
export type ChangeInput = WithoutTime<Change>;

type Writes = Pick<
  Ledger,
  'setSource' | 'openStream' | 'setConnected' | 'setOffered' | 'setAck' | 'setNack' | 'applyReport' | 'addEvent' | 'forgetCluster'
>;

/** The writes of a ledger, each as a change. @param submit resolves once a change is durable */
export const writesOf = (submit: (change: ChangeInput) => Promise<void>): Writes => {
  const submitBy = async (stream: AgentStream | undefined, change: WithoutTime<ClusterChange>): Promise<void> => {
    const outcome: StreamOutcome = {};
    await submit({ ...change, stream, outcome });
    if (outcome.replaced === true) throw new StreamReplacedError();
  };
  return {
    setSource: (source) => submit({ type: 'source', source }),
    openStream: (cluster, stream) => submitBy(stream, { type: 'connected', cluster, connected: true, opens: true }),
    setConnected: (cluster, connected, stream) => submitBy(stream, { type: 'connected', cluster, connected }),
    setOffered: (cluster, revision, stream) => submitBy(stream, { type: 'offered', cluster, revision }),
    setAck: (cluster, ack, stream) => submitBy(stream, { type: 'ack', cluster, ack }),
    setNack: (cluster, { told = true, ...nack }, stream) => submitBy(stream, { type: 'nack', cluster, nack, told }),
    applyReport: (cluster, report, stream) => submitBy(stream, { type: 'report', cluster, report }),
    forgetCluster: (cluster) => submit({ type: 'forget', cluster }),
    addEvent: (cluster, event) => submit({ type: 'event', cluster, event }),
  };
};
