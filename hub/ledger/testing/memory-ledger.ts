import type { Clock } from '@fso/shared/runtime';
import { auditOf, type LedgerBefore } from '../audit/derive.ts';
import {
  applyChange,
  type Change,
  type ClusterChange,
  digestOfEvent,
  eventsOfChange,
  isClusterChange,
  isNoted,
  leftOutOf,
  streamAfter,
} from '../changes.ts';
import { historyBetween } from '../history/cluster-history.ts';
import { findPolicyState, narrowHistory } from '../history/policy-past.ts';
import { applyValueChange, createKeyedStore, KeyedCache } from '../keyed-store.ts';
import { foundIn, LedgerCache } from '../ledger-cache.ts';
import { findRelisted, keysBetween, listIn, namedIn, PolicyLists } from '../policies/index.ts';
import { hasRoom, type ReportLimits, ReportMemory, type ReportQuota, reportLimits } from '../report-quota.ts';
import type { ClusterRecord, HistoryChange, Ledger } from '../types.ts';
import { type ChangeInput, writesOf } from '../writes.ts';
import { createMemoryAudit } from './memory-audit.ts';

/** Clock and limits of a ledger in memory. */
export interface MemoryLedgerOptions {
  readonly clock: Clock;
  /** Events kept; the oldest go first. Default 10,000. */
  readonly eventLimit?: number;
  /** Limits of the reports that are kept. */
  readonly reports?: ReportLimits;
}

/** State of the ledger, changed by one change after the other. */
class MemoryState {
  readonly cache: LedgerCache;
  readonly lists = new PolicyLists();
  readonly records = new KeyedCache();
  readonly audit: ReturnType<typeof createMemoryAudit>;
  readonly #memory: ReportMemory;
  readonly #clock: Clock;
  readonly #digests = new Set<string>();
  readonly #streams = new Map<string, string | null>();
  /** Histories by cluster, newest change first. */
  readonly #histories = new Map<string, readonly HistoryChange[]>();
  #version = 0;
  #desired: string | null = null;
  #lastEventId = 0;

  constructor({ clock, eventLimit = 10_000, reports = reportLimits() }: MemoryLedgerOptions) {
    this.#clock = clock;
    this.#memory = new ReportMemory(reports);
    this.cache = new LedgerCache(eventLimit);
    this.audit = createMemoryAudit(() => this.now());
  }

  now(): string {
    return this.#clock.now().toISOString();
  }

  async submit(input: ChangeInput): Promise<void> {
    const change = { ...input, time: this.now() } as Change;
    if (!isClusterChange(change) || this.#takeStream(change)) this.#take(change);
  }

  async relist(): Promise<void> {
    for (const cluster of findRelisted(this.cache.clusters(), this.lists)) await this.submit({ type: 'relist', cluster });
  }

  quotaOf(record: ClusterRecord): ReportQuota {
    return this.#memory.quotaOf(record, this.cache.desired());
  }

  /** The stream that a cluster is connected by. */
  streamOf(cluster: string): string | null {
    return this.#streams.get(cluster) ?? null;
  }

  historyOf(cluster: string): readonly HistoryChange[] {
    return this.#histories.get(cluster) ?? [];
  }

  #take(change: Change): void {
    const before: LedgerBefore = { source: this.cache.source(), desired: this.#desired, cluster: (name) => this.cache.get(name) };
    this.audit.add(auditOf(change, before), change.time);
    if (change.type === 'source') this.cache.setSource(change.source);
    if (change.type === 'desired') this.#desired = change.revision;
    if (change.type === 'record') this.#takeRecord(change);
    if (isClusterChange(change)) this.#takeClusterChange(change);
    const fresh = eventsOfChange(change).filter(({ cluster, event }) => {
      const digest = digestOfEvent(cluster, event);
      return !this.#digests.has(digest) && this.#digests.add(digest);
    });
    const events = fresh.map(({ cluster, event }) => {
      this.#lastEventId += 1;
      return { ...event, id: this.#lastEventId, cluster };
    });
    this.cache.addEvents(events);
  }

  #takeRecord({ kind, name, change, outcome }: Extract<Change, { type: 'record' }>): void {
    this.#version += 1;
    if (applyValueChange(this.records.get(kind, name), change, outcome)) this.records.set({ kind, name }, outcome.after, this.#version);
  }

  /** @returns whether the change counts */
  #takeStream(change: ClusterChange): boolean {
    const stream = this.streamOf(change.cluster);
    const leftOut = leftOutOf(change, this.cache.get(change.cluster), stream);
    if (change.outcome !== undefined) change.outcome.leftOut = leftOut;
    if (leftOut === undefined) this.#streams.set(change.cluster, streamAfter(change, stream));
    return leftOut === undefined;
  }

  #takeClusterChange(change: ClusterChange): void {
    const before = this.cache.get(change.cluster);
    const after = applyChange(before, change, { quota: this.quotaOf(before), lists: this.lists });
    this.#memory.learn(before.policies, after.policies);
    this.cache.set(after);
    const added = historyBetween(change, { before, after, keys: keysBetween(before.policies, after.policies) });
    if (added !== undefined) this.#histories.set(change.cluster, [added, ...this.historyOf(change.cluster)]);
  }
}

/** Implements step ⑧ without a database, for tests. Its content is lost with the process. */
export const createMemoryLedger = (options: MemoryLedgerOptions): Ledger => {
  const state = new MemoryState(options);
  const { cache, lists } = state;
  const submit = (input: ChangeInput): Promise<void> => state.submit(input);
  const listOf = async (digest: string) => lists.get(digest);
  async function* historyOf(cluster: string): AsyncGenerator<HistoryChange> {
    yield* state.historyOf(cluster);
  }
  const { setObserved, ...writes } = writesOf(submit);
  return {
    ...writes,
    noteObserved: async (cluster, outOfDate, stream) => {
      if (!isNoted(cache.get(cluster), outOfDate)) await setObserved(cluster, outOfDate, stream);
    },
    hasRoom: async (cluster) => {
      const record = cache.get(cluster);
      return hasRoom(namedIn(record.policies), record, state.quotaOf(record));
    },
    suspendObservation: (clusters) => cache.suspend(clusters, state.now()),
    resumeObservation: (clusters) => cache.resume(clusters),
    noteSeen: async (cluster, stream) => {
      if (cache.get(cluster).connected && state.streamOf(cluster) === stream.id) cache.see(cluster, state.now());
      else await writes.setConnected(cluster, true, stream);
    },
    knowsList: async (digest) => lists.get(digest) !== undefined,
    addList: async (digest, listed) => {
      const isTheirs = lists.takeListed(digest, listed) !== undefined;
      if (isTheirs) await state.relist();
      return isTheirs;
    },
    setDesired: async (next) => {
      lists.takeCommit(next, (cluster) => listIn(cache.get(cluster)));
      cache.setDesired(next);
      await state.relist();
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
      const changes = await narrowHistory(state.historyOf(cluster), { policy, listOf });
      return { changes: changes.filter((change) => change !== undefined).slice(0, limit), next: null };
    },
    subscribe: (handler) => cache.subscribe(handler),
    audit: state.audit,
    records: createKeyedStore(state.records, (change) => submit({ type: 'record', ...change })),
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
