import { randomUUID } from 'node:crypto';
import { type Clock, type Logger, Mutex, settlesWithin } from '@fso/shared/runtime';
import { type Change, isLeaderChange, isNoted, StreamReplacedError } from '../changes.ts';
import { createKeyedStore, KeyedCache } from '../keyed-store.ts';
import { foundIn, LedgerCache } from '../ledger-cache.ts';
import { namedIn, PolicyLists } from '../policies/index.ts';
import { hasRoom, type ReportLimits, ReportMemory, reportLimits } from '../report-quota.ts';
import type { Desired, EventQuery, FoundEvents, Journal, Ledger } from '../types.ts';
import { type ChangeInput, writesOf } from '../writes.ts';
import { createCommit } from './batch/commit.ts';
import type { StoredCluster } from './batch/plan-batch.ts';
import { WriteQueue, type WriteQueueOptions } from './batch/write-queue.ts';
import type { Database } from './database.ts';
import { describeDatabaseError } from './errors.ts';
import { Clearing } from './history/clearing.ts';
import { listHistory, mendHistory, readPolicyState } from './history/cluster-history.ts';
import { forgetFormer, type HistoryLimits } from './history/history.ts';
import { HistoryKeeper } from './history/history-keeper.ts';
import { ListStore } from './list-store.ts';
import { migrate } from './migrate.ts';
import { readList } from './policy-lists.ts';
import { type Replicas, SINGLE_REPLICA } from './replicas/alone.ts';
import { ReplicaState } from './replicas/replica-state.ts';
import { SharedReplicas } from './replicas/replicas.ts';
import { createSqlAudit, type InTurn } from './search/audit-log.ts';
import { countEvents, loadEvents } from './search/events.ts';
import { checkSessions } from './sessions.ts';

/** Database and process of a ledger. */
export interface SqlLedgerOptions {
  readonly database: Database;
  /** Unique name of this process on the database, never reused. */
  readonly replica?: string;
  readonly clock: Clock;
  readonly random: () => number;
  readonly logger: Logger;
  readonly history?: HistoryLimits;
  /** Maximum number of queued changes before writers have to wait. Default: 10,000. */
  readonly maxQueued?: number;
  /** Bounds of stored reports. Default: depends on the heap of this process. */
  readonly reports?: ReportLimits;
  /** Receives the result and the duration in seconds of each write transaction. */
  readonly onCommit?: NonNullable<WriteQueueOptions['onCommit']>;
}

/** Number of newest events served from memory. Older ones are read from the database. */
const EVENTS_IN_MEMORY = 10_000;
const HISTORY_MS = 3_600_000;
/** Default limits of the history. */
export const DEFAULT_HISTORY: HistoryLimits = { days: 400, events: 1_000_000 };

/** Interval for writing the last sign of life of a connected cluster, in milliseconds. */
const SEEN_MS = 120_000;

/** Time for work besides writes to end on close, in milliseconds. */
const CLOSE_MS = 2_000;

/**
 * Number of consecutive unanswered writes after which a hub gives up the lead until one is
 * committed.
 */
const MAX_UNANSWERED = 3;

/** Epoch of a hub that does not lead. */
const NO_EPOCH = 0;

/** Stored state in memory. */
interface LedgerMemory {
  readonly cache: LedgerCache;
  readonly records: KeyedCache;
  readonly lists: PolicyLists;
  readonly replicaState: ReplicaState;
}

/** Creates missing tables and reads their content. */
const loadMemory = async ({ database, reports }: SqlLedgerOptions): Promise<LedgerMemory> => {
  const { db, shared } = database;
  if (shared) await checkSessions(database.connect);
  await migrate(database);
  if (!shared) await forgetFormer(db);
  const cache = new LedgerCache(EVENTS_IN_MEMORY);
  const records = new KeyedCache();
  const memory = new ReportMemory(reports ?? reportLimits());
  const lists = new PolicyLists();
  const replicaState = new ReplicaState({ cache, records, memory, lists, eventsInMemory: EVENTS_IN_MEMORY });
  await replicaState.load(db);
  return { cache, records, lists, replicaState };
};

/** Adds the history that a hub of an older version did not write. */
const closeGaps = ({ database, clock }: SqlLedgerOptions, { cache, replicaState }: LedgerMemory): Promise<void> =>
  mendHistory(database, {
    now: () => clock.now(),
    read: async (trx, names) => {
      await replicaState.refresh(trx, names);
      return names.map((name) => cache.get(name));
    },
  });

interface HistoryDeps {
  readonly clearing: Clearing;
  readonly leads: () => boolean;
  readonly signal: AbortSignal;
}

/** Clears the history every hour on the leading hub, until aborted. */
const keepHistory = async (options: SqlLedgerOptions, memory: LedgerMemory, { clearing, leads, signal }: HistoryDeps): Promise<void> => {
  const { clock, logger } = options;
  const clear = async (): Promise<void> => {
    if (!leads()) return;
    // A hub of an older version may have written meanwhile.
    await closeGaps(options, memory);
    await clearing.run();
  };
  while (!signal.aborted) {
    await clear().catch((error: unknown) => logger.warn({ reason: describeDatabaseError(error) }, 'history not cleared'));
    await clock.sleep(HISTORY_MS, signal).catch(() => undefined);
  }
};

type LedgerReads = Pick<
  Ledger,
  | 'source'
  | 'desired'
  | 'clusters'
  | 'cluster'
  | 'events'
  | 'searchEvents'
  | 'countEvents'
  | 'policyStateAt'
  | 'clusterHistory'
  | 'subscribe'
  | 'hasRoom'
>;

/** Creates the reads: from memory, or from the database if memory is incomplete. */
const createReads = ({ searches }: Database, { cache, lists, replicaState }: LedgerMemory, inTurn: InTurn): LedgerReads => {
  const pasts = { db: searches, listOf: (digest: string) => readList(searches, digest, lists) };
  const searchEvents = async (query: EventQuery): Promise<FoundEvents> => {
    const found = cache.events(query);
    if (found.length >= query.limit || cache.hasAllEvents()) return foundIn(found, query.limit);
    return inTurn(() => loadEvents(searches, query));
  };
  return {
    source: async () => cache.source(),
    desired: async () => cache.desired(),
    clusters: async () => cache.clusters(),
    cluster: async (name) => cache.cluster(name),
    events: async (query) => (await searchEvents(query)).events,
    searchEvents,
    countEvents: async (query) => {
      const counted = cache.events(query).length;
      const isSearch = query.q !== undefined || query.since !== undefined || query.until !== undefined;
      return isSearch || counted >= query.limit || cache.hasAllEvents() ? counted : countEvents(searches, query);
    },
    policyStateAt: (query) => inTurn(() => readPolicyState(pasts, query)),
    clusterHistory: (query) => inTurn(() => listHistory(pasts, query)),
    subscribe: (handler) => cache.subscribe(handler),
    hasRoom: async (cluster) => {
      const record = cache.get(cluster);
      return hasRoom(namedIn(record.policies), record, replicaState.quotaOf(record));
    },
  };
};

type Connections = Pick<Journal, 'setConnected'>;

/**
 * Ends a stream that, after lost commits, the database still shows as open at this hub. No other
 * hub does this.
 */
const endStream = async ({ record, connectedBy, stream }: StoredCluster, replica: string, { setConnected }: Connections): Promise<void> => {
  if (connectedBy !== replica) return;
  const ended = stream === null ? undefined : { id: stream, isOpen: () => false };
  await setConnected(record.name, false, ended).catch((error: unknown) => {
    // The agent has reconnected.
    if (!(error instanceof StreamReplacedError)) throw error;
  });
};

/**
 * Creates the function that records signs of life in memory and, from time to time, in the
 * database.
 */
const createNoteSeen =
  ({ cache, replicaState }: LedgerMemory, clock: Clock, { setConnected }: Connections): Journal['noteSeen'] =>
  async (cluster, stream) => {
    const { record, stream: holder, writtenSeen } = replicaState.cluster(cluster);
    const now = clock.now();
    const isWritten = writtenSeen !== null && now.getTime() - Date.parse(writtenSeen) < SEEN_MS;
    if (record.connected && holder === stream.id && isWritten) cache.see(cluster, now.toISOString());
    else await setConnected(cluster, true, stream);
  };

/** Lets searches take turns on the embedded database, which runs one statement at a time. */
const createTurns = ({ shared }: Database): InTurn => {
  const mutex = new Mutex();
  return (work) => (shared ? work() : mutex.run(work));
};

/**
 * Creates the ledger, step ⑧, on PostgreSQL or SQLite. Resolves once the tables exist and their
 * content is in memory. `close` does not close the database.
 *
 * @throws LedgerError if an operator has to act; else the error of the database
 */
export const createSqlLedger = async (options: SqlLedgerOptions): Promise<Ledger> => {
  const { database, clock, logger, replica = randomUUID(), history = DEFAULT_HISTORY } = options;
  const { reads, searches, shared } = database;
  const memory = await loadMemory(options);
  const { cache, lists, replicaState } = memory;
  await closeGaps(options, memory);

  const closing = new AbortController();
  const histories = new HistoryKeeper({ ...database, logger, signal: closing.signal });
  const commit = createCommit(options, { replicaState, histories, replica });
  const queue = new WriteQueue({ ...options, cut: database.cut, commit });
  const termOf = (input: ChangeInput) => (shared && isLeaderChange(input) ? { epoch: replicas.epoch() ?? NO_EPOCH } : {});
  const submit = (input: ChangeInput): Promise<void> =>
    queue.submit({ ...input, ...termOf(input), time: clock.now().toISOString() } as Change);
  const replicas: Replicas = shared
    ? new SharedReplicas({ ...options, replica, replicaState, canWrite: () => queue.unanswered < MAX_UNANSWERED })
    : SINGLE_REPLICA;

  const keptLists = () => lists.keptFor(cache.clusters());
  const clearing = new Clearing({ ...options, replica, history, histories, keptLists, signal: closing.signal });
  const keeping = keepHistory(options, memory, { clearing, leads: () => replicas.leads(), signal: closing.signal });

  const noteDesired = (next: Desired): Promise<void> => submit({ type: 'desired', revision: next.revision });
  const onFailure = (err: unknown): void => logger.error({ err }, 'ledger write failed');
  const noteKnown = (): void => {
    const known = cache.desired();
    if (known !== null) noteDesired(known).catch(onFailure);
  };
  replicas.onLead(noteKnown);
  cache.subscribe(({ kind }) => {
    if (kind !== 'lost') return;
    logger.error('the database has lost commits that this hub knew of: everything was read again');
    for (const { name } of cache.clusters()) endStream(replicaState.cluster(name), replica, writes).catch(onFailure);
    if (replicas.leads()) noteKnown();
  });

  const inTurn = createTurns(database);
  const store = new ListStore({ lists, reads, cache, clock, submit });
  const { setObserved, ...writes } = writesOf(submit);
  return {
    ...writes,
    ...createReads(database, memory, inTurn),
    noteSeen: createNoteSeen(memory, clock, writes),
    noteObserved: async (cluster, outOfDate, stream) => {
      if (!isNoted(cache.get(cluster), outOfDate)) await setObserved(cluster, outOfDate, stream);
    },
    suspendObservation: (clusters) => cache.suspend(clusters, clock.now().toISOString()),
    resumeObservation: (clusters) => cache.resume(clusters),
    // Every hub follows the repository, but only the leader sets the desired state.
    setDesired: async (next) => {
      const stored = store.takeCommit(next);
      cache.setDesired(next);
      await Promise.all([stored, replicas.leads() && noteDesired(next)]);
    },
    knowsList: async (digest, cluster) => (await store.find(digest, cluster)) !== undefined,
    addList: (digest, named) => store.takeListed(digest, named),
    applyReport: async (cluster, report, stream) => {
      // The list of a cluster that is behind may only be in the database. If it cannot be read, the
      // report is applied without it.
      const list = report.baseline === null ? undefined : await store.find(report.baseline.list, cluster).catch(() => undefined);
      return writes.applyReport(cluster, report, stream, list);
    },
    audit: createSqlAudit(reads, submit, { db: searches, inTurn }),
    records: createKeyedStore(memory.records, (change) => submit({ type: 'record', ...change })),
    health: () => replicas.outage() ?? queue.health(),
    waitingWrites: () => queue.length,
    behindMs: () => replicas.behindMs(),
    leads: () => replicas.leads(),
    onLead: (handler) => replicas.onLead(handler),
    shareHint: () => replicas.shareHint(),
    onSharedHint: (handler) => replicas.onSharedHint(handler),
    ask: (question, withinMs) => replicas.ask(question, withinMs),
    onAsked: (answer) => replicas.onAsked(answer),
    close: async () => {
      await queue.close();
      closing.abort();
      const rest = Promise.all([replicas.close(), keeping, histories.idle()]);
      if (!(await settlesWithin(rest, CLOSE_MS))) database.cut();
      await rest;
    },
  };
};
