import type { ClusterEvent, EventView, SourceView } from '@fso/shared/api';
import { policyKey } from '@fso/shared/api';
import { byText } from '@fso/shared/compile';
import type { Report } from '@fso/shared/protocol';
import type { Clock } from '@fso/shared/runtime';
import type { ClusterRecord, Desired, Ledger, LedgerChange } from './types.ts';

export interface MemoryLedgerOptions {
  readonly clock: Clock;
  /** Events kept; the oldest go first. Default 10,000. */
  readonly eventLimit?: number;
}

const unseen = (name: string): ClusterRecord => ({
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

const matches = (event: EventView, query: { cluster?: string; policy?: string; before?: number }): boolean =>
  (query.cluster === undefined || event.cluster === query.cluster) &&
  (query.policy === undefined || event.policy === query.policy) &&
  (query.before === undefined || event.id < query.before);

/**
 * Step ⑧, the ledger of this process only: what it knows is gone with it and comes back as agents connect and report
 * in full. Records are replaced, never changed, so that a reader may keep what it was given.
 */
export const createMemoryLedger = ({ clock, eventLimit = 10_000 }: MemoryLedgerOptions): Ledger => {
  let sourceView: SourceView | null = null;
  let current: Desired | null = null;
  let lastEventId = 0;
  const seen = new Map<string, ClusterRecord>();
  const events: EventView[] = [];
  const handlers = new Set<(change: LedgerChange) => void>();

  const notify = (change: LedgerChange): void => {
    for (const handler of handlers) handler(change);
  };
  const now = (): string => clock.now().toISOString();
  const get = (name: string): ClusterRecord => seen.get(name) ?? unseen(name);
  const update = (name: string, change: Partial<ClusterRecord>): void => {
    seen.set(name, { ...get(name), ...change });
    notify({ kind: 'cluster', cluster: name });
  };
  const append = (cluster: string | null, event: ClusterEvent): void => {
    lastEventId += 1;
    const view: EventView = { ...event, id: lastEventId, cluster };
    events.push(view);
    if (events.length > eventLimit) events.splice(0, events.length - eventLimit);
    notify({ kind: 'event', event: view });
  };

  return {
    setSource: async (view) => {
      sourceView = view;
      notify({ kind: 'source' });
    },
    source: async () => sourceView,
    setDesired: async (desired) => {
      current = desired;
      notify({ kind: 'desired', revision: desired.revision });
    },
    desired: async () => current,
    setConnected: async (cluster, connected) => {
      const before = get(cluster);
      seen.set(cluster, { ...before, connected, lastSeen: now() });
      // A heartbeat of a connected cluster only moves lastSeen; readers need not be woken for it.
      if (before.connected !== connected) notify({ kind: 'cluster', cluster });
    },
    setOffered: async (cluster, revision) => update(cluster, { offeredRevision: revision }),
    setAck: async (cluster, ack) => update(cluster, { acked: ack, nack: null, lastSeen: now() }),
    setNack: async (cluster, nack) => update(cluster, { nack: { ...nack, time: now() }, lastSeen: now() }),
    applyReport: async (cluster, report) => {
      const before = get(cluster);
      update(cluster, {
        policies: mergePolicies(before.policies, report),
        report: report.cluster ?? before.report,
        reportedSeq: report.seq,
        lastSeen: now(),
      });
      for (const event of report.events) append(cluster, event);
    },
    addEvent: async (cluster, event) => append(cluster, event),
    clusters: async () => {
      const names = new Set([...(current?.clusters.keys() ?? []), ...seen.keys()]);
      return [...names].sort(byText).map(get);
    },
    cluster: async (name) => (seen.has(name) || current?.clusters.has(name) ? get(name) : null),
    events: async ({ limit, ...query }) => {
      const found: EventView[] = [];
      for (let i = events.length - 1; i >= 0 && found.length < limit; i -= 1) {
        const event = events[i];
        if (event && matches(event, query)) found.push(event);
      }
      return found;
    },
    subscribe: (handler) => {
      handlers.add(handler);
      return () => handlers.delete(handler);
    },
  };
};
