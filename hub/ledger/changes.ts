import { type ClusterEvent, type NewAuditEntry, policyKey, type SourceView } from '@fso/shared/api';
import { canonicalJson, sha256 } from '@fso/shared/compile';
import type { Checkpoint, Reason, Report } from '@fso/shared/protocol';
import type { RecordChange, RecordKey, RecordOutcome } from './records.ts';
import type { Acked, ClusterRecord } from './types.ts';

/** A write of the ledger. Everything that is to be known of it is in it: it is applied to a record, and to the database, the same way. */
export type Change = { readonly time: string } & (
  | { readonly type: 'source'; readonly source: SourceView }
  | { readonly type: 'desired'; readonly revision: string }
  | ClusterChange
  | { readonly type: 'event'; readonly cluster: string | null; readonly event: ClusterEvent }
  | { readonly type: 'audit'; readonly entry: NewAuditEntry }
  | ({ readonly type: 'record'; readonly change: RecordChange; readonly outcome: RecordOutcome } & RecordKey)
  | { readonly type: 'checkpoint'; readonly checkpoint: Checkpoint }
  | { readonly type: 'witness'; readonly cluster: string; readonly checkpoint: Checkpoint }
);

export interface Nack {
  readonly revision: string;
  readonly reasons: readonly Reason[];
}

/** An agent that comes back refuses again what it is offered again: that is nothing new. */
export const isRepeated = (before: Nack | null | undefined, { revision, reasons }: Nack): boolean =>
  before?.revision === revision && canonicalJson(before.reasons) === canonicalJson(reasons);

export type ClusterChange = { readonly time: string; readonly cluster: string } & (
  | { readonly type: 'connected'; readonly connected: boolean }
  | { readonly type: 'offered'; readonly revision: string }
  | { readonly type: 'ack'; readonly ack: Acked }
  | { readonly type: 'nack'; readonly nack: Nack; readonly told: boolean }
  | { readonly type: 'report'; readonly report: Report }
);

const CLUSTER_CHANGES: readonly Change['type'][] = ['connected', 'offered', 'ack', 'nack', 'report'];

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
      return { ...record, connected: change.connected, lastSeen };
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
