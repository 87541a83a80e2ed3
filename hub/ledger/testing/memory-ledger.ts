import type { Clock } from '@fso/shared/runtime';
import { auditOf, type Before } from '../audit/derive.ts';
import {
  applyChange,
  type Change,
  type ChangeInput,
  type ClusterChange,
  digestOfEvent,
  eventsOfChange,
  isClusterChange,
  isNoted,
  leftOutOf,
  streamAfter,
  writesOf,
} from '../changes.ts';
import { historyBetween } from '../history/cluster-history.ts';
import { findPolicyState, narrowHistory } from '../history/policy-past.ts';
import { applyValueChange, createKeyedCache, createKeyedStore } from '../keyed-store.ts';
import { createLedgerCache, foundIn } from '../ledger-cache.ts';
import { findRelisted, keysBetween, listIn, namedIn, PolicyLists } from '../policies/index.ts';
import { hasRoom, type ReportLimits, ReportMemory, reportLimits } from '../report-quota.ts';
import type { HistoryChange, Ledger } from '../types.ts';
import { createMemoryAudit } from './memory-audit.ts';

export interface MemoryLedgerOptions {
  readonly clock: Clock;
  /** Events kept; the oldest go first. Default 10,000. */
  readonly eventLimit?: number;
  /** What is kept of reports. */
  readonly reports?: ReportLimits;
}

/** Step ⑧ without a database, for tests: what it knows is gone with its process. */
export const createMemoryLedger = ({ clock, eventLimit = 10_000, reports = reportLimits() }: MemoryLedgerOptions): Ledger => {
  const cache = createLedgerCache(eventLimit);
  const memory = new ReportMemory(reports);
  const lists = new PolicyLists();
  const now = (): string => clock.now().toISOString();
  const audit = createMemoryAudit(now);
  const records = createKeyedCache();
  let version = 0;
  let desired: string | null = null;
  let lastEventId = 0;
  const digests = new Set<string>();

  const takeRecord = ({ kind, name, change, outcome }: Extract<Change, { type: 'record' }>): void => {
    version += 1;
    if (applyValueChange(records.get(kind, name), change, outcome)) records.set({ kind, name }, outcome.after, version);
  };
  const streams = new Map<string, string | null>();
  /** @returns whether the change counts */
  const takeStream = (change: ClusterChange): boolean => {
    const stream = streams.get(change.cluster) ?? null;
    const leftOut = leftOutOf(change, cache.get(change.cluster), stream);
    if (change.outcome !== undefined) change.outcome.leftOut = leftOut;
    if (leftOut === undefined) streams.set(change.cluster, streamAfter(change, stream));
    return leftOut === undefined;
  };
  /** Newest first, by cluster. */
  const histories = new Map<string, readonly HistoryChange[]>();
  const takeClusterChange = (change: ClusterChange): void => {
    const before = cache.get(change.cluster);
    const after = applyChange(before, change, { quota: memory.quotaOf(before, cache.desired()), lists });
    memory.learn(before.policies, after.policies);
    cache.set(after);
    const added = historyBetween(change, { before, after, keys: keysBetween(before.policies, after.policies) });
    if (added !== undefined) histories.set(change.cluster, [added, ...(histories.get(change.cluster) ?? [])]);
  };
  const listOf = async (digest: string) => lists.get(digest);
  async function* historyOf(cluster: string): AsyncGenerator<HistoryChange> {
    yield* histories.get(cluster) ?? [];
  }
  const take = (change: Change): void => {
    const before: Before = { source: cache.source(), desired, cluster: cache.get };
    audit.add(auditOf(change, before), change.time);
    if (change.type === 'source') cache.setSource(change.source);
    if (change.type === 'desired') desired = change.revision;
    if (change.type === 'record') takeRecord(change);
    if (isClusterChange(change)) takeClusterChange(change);
    const fresh = eventsOfChange(change).filter(({ cluster, event }) => {
      const digest = digestOfEvent(cluster, event);
      return !digests.has(digest) && digests.add(digest);
    });
    const events = fresh.map(({ cluster, event }) => {
      lastEventId += 1;
      return { ...event, id: lastEventId, cluster };
    });
    cache.addEvents(events);
  };
  const submit = async (input: ChangeInput): Promise<void> => {
    const change = { ...input, time: now() } as Change;
    if (!isClusterChange(change) || takeStream(change)) take(change);
  };

  const relist = async (): Promise<void> => {
    for (const cluster of findRelisted(cache.clusters(), lists)) await submit({ type: 'relist', cluster });
  };
  const { setObserved, ...writes } = writesOf(submit);
  return {
    ...writes,
    noteObserved: async (cluster, outOfDate, stream) => {
      if (!isNoted(cache.get(cluster), outOfDate)) await setObserved(cluster, outOfDate, stream);
    },
    hasRoom: async (cluster) => {
      const record = cache.get(cluster);
      return record.notKept !== null && hasRoom(namedIn(record.policies), memory.quotaOf(record, cache.desired()), record.notKept);
    },
    suspendObservation: (clusters) => cache.suspend(clusters, now()),
    resumeObservation: cache.resume,
    noteSeen: async (cluster, stream) => {
      if (cache.get(cluster).connected && streams.get(cluster) === stream.id) cache.see(cluster, now());
      else await writes.setConnected(cluster, true, stream);
    },
    knowsList: async (digest) => lists.get(digest) !== undefined,
    addList: async (digest, listed) => {
      const isTheirs = lists.takeListed(digest, listed) !== undefined;
      if (isTheirs) await relist();
      return isTheirs;
    },
    setDesired: async (next) => {
      lists.takeCommit(next, (cluster) => listIn(cache.get(cluster)));
      cache.setDesired(next);
      await relist();
      await submit({ type: 'desired', revision: next.revision });
    },
    source: async () => cache.source(),
    desired: async () => cache.desired(),
    clusters: async () => cache.clusters(),
    cluster: async (name) => cache.cluster(name),
    events: async (query) => cache.events(query),
    searchEvents: async (query) => foundIn(cache.events(query), query.limit),
    countEvents: async (query) => cache.events(query).length,
    policyStateAt: ({ cluster, ...query }) => findPolicyState(historyOf(cluster), { ...query, listOf }),
    clusterHistory: async ({ cluster, policy, limit }) => {
      const changes = await narrowHistory(histories.get(cluster) ?? [], { policy, listOf });
      return { changes: changes.filter((change) => change !== undefined).slice(0, limit), next: null };
    },
    subscribe: cache.subscribe,
    audit,
    records: createKeyedStore(records, (change) => submit({ type: 'record', ...change })),
    health: () => ({ ok: true }),
    waitingWrites: () => 0,
    behindMs: () => 0,
    leads: () => true,
    onLead: (handler) => handler(),
    shareHint: () => undefined,
    onSharedHint: () => undefined,
    ask: async () => undefined,
    onAsked: () => undefined,
    close: async () => undefined,
  };
};
