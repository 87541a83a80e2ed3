import { randomUUID } from 'node:crypto';
import type { AlertCounts, EventView, PolicyChange, StreamEvent } from '@fso/shared/api';
import { byText } from '@fso/shared/encoding';
import { type Clock, type Logger, restAfter } from '@fso/shared/runtime';
import { type ClusterRecord, keysBetween, type Ledger, type LedgerChange } from '../../ledger/index.ts';
import { COMMIT_KIND, readRolloutSlot, summaryOf } from '../../rollout/index.ts';
import type { ClusterEntry } from '../fleet/cluster-entry.ts';
import type { FleetDeps, FleetReader } from '../fleet/fleet-reader.ts';
import { isKnown } from '../fleet/phases.ts';

export interface StreamOptions {
  /** Milliseconds between comments. Default 15 s. */
  readonly heartbeatMs?: number;
  /** A reader with more than this unread gets no more until it has read it, and then `reset`. Default 1 MiB. */
  readonly maxUnreadBytes?: number;
  /** Messages kept for readers that return. Default 1000. */
  readonly keep?: number;
  /** Changes within this time go out together; the first one goes at once. Default 100 ms. */
  readonly windowMs?: number;
}

export interface BroadcastDeps extends FleetDeps {
  readonly ledger: Pick<Ledger, 'subscribe' | 'records'>;
  readonly alerts: {
    readonly compareWithSilences: () => Promise<void>;
    readonly counts: () => AlertCounts | Promise<AlertCounts>;
    readonly subscribe: (handler: () => void) => () => void;
  };
  readonly config: { readonly stream?: StreamOptions | undefined };
  readonly runtime: { readonly clock: Clock; readonly logger: Logger };
}

/** An event as it goes over the wire, with its position. */
export interface Message {
  readonly id: string;
  readonly text: string;
}

export interface LiveReader {
  /** It begins now, instead of coming back to where it was. */
  readonly isNew: boolean;
  readonly take: (message: Message) => void;
}

/** Where a reader starts: messages it missed, or a reset when they are no longer here. */
export interface Start {
  readonly replay: readonly Message[];
  readonly reset: boolean;
  /** Position before everything that is sent from now on. */
  readonly id: string;
}

/** An event in the form of server-sent events. */
export const encodeMessage = (id: string, { event, data }: StreamEvent): string =>
  `id: ${id}\nevent: ${event}\ndata: ${JSON.stringify(data)}\n\n`;

/** Longest rest after views of thousands of clusters, in milliseconds. */
const MAX_REST_MS = 1_000;
/** Names at most this many policies of a change; beyond it a reader does better to read the list. */
const MAX_NAMED = 500;
/** Clusters that change at once; of more a reader is told to read again instead of getting each. */
const MAX_CLUSTERS = 200;
/** Events that are gathered, while nobody reads as well. */
const MAX_EVENTS = 1_000;

/**
 * Which policies read differently since the last call, by identity of their reports: a ledger that hands out new but
 * equal reports only makes readers read again. That a cluster is known now, or no longer, touches each of its policies, and so does a change of
 * a cluster whose reports were not kept.
 */
class PolicyDiff {
  readonly #last = new Map<string, Pick<ClusterRecord, 'policies'> & { readonly wasKnown: boolean }>();

  update(clusters: readonly ClusterRecord[]): PolicyChange[] {
    return clusters.flatMap((cluster) => this.#updateOne(cluster));
  }

  /** Takes over what a reader is about to read by itself. */
  note(record: ClusterRecord): void {
    this.#last.set(record.name, { policies: record.policies, wasKnown: isKnown(record) });
  }

  /** Lets go of reports of which nobody will be told. */
  forget(cluster: string): void {
    this.#last.delete(cluster);
  }

  #updateOne(record: ClusterRecord): PolicyChange[] {
    const { name, policies } = record;
    const before = this.#last.get(name);
    this.note(record);
    if (before === undefined || before.wasKnown !== isKnown(record)) return [{ cluster: name, policies: null }];
    const keys = keysBetween(before.policies, policies).toSorted(byText);
    if (keys.length === 0) return [];
    return [{ cluster: name, policies: keys.length > MAX_NAMED ? null : keys }];
  }
}

/** Changes of the ledger that no reader has been sent yet. */
class PendingChanges {
  source: boolean = false;
  desired: boolean = false;
  /** Alerts or silences. */
  alerts: boolean = false;
  readonly clusters = new Set<string>();
  /** Slots of their records. */
  readonly commits = new Set<string>();
  readonly events: StreamEvent[] = [];
  /** More events came than are gathered. */
  isCut: boolean = false;

  add(change: LedgerChange): void {
    switch (change.kind) {
      case 'source':
        this.source = true;
        break;
      case 'desired':
        this.desired = true;
        break;
      case 'cluster':
        this.clusters.add(change.cluster);
        break;
      case 'event':
        this.#addEvent(change.event);
        break;
    }
  }

  get isEmpty(): boolean {
    return (
      !this.source && !this.desired && !this.alerts && !this.isCut && this.clusters.size + this.commits.size + this.events.length === 0
    );
  }

  #addEvent(event: EventView): void {
    if (this.isCut) return;
    if (this.events.length < MAX_EVENTS) this.events.push({ event: 'event', data: event });
    else {
      this.isCut = true;
      this.events.length = 0;
    }
  }
}

const RESET: StreamEvent = { event: 'reset', data: {} };

interface ChangeReader {
  readonly fleet: FleetReader;
  readonly records: Ledger['records'];
  readonly alerts: Pick<BroadcastDeps['alerts'], 'counts' | 'compareWithSilences'>;
}

const describeCommits = (records: Ledger['records'], slots: Iterable<string>): StreamEvent[] =>
  [...slots].flatMap((slot) => {
    const rollout = readRolloutSlot(records, slot);
    return rollout === null ? [] : [{ event: 'commit', data: summaryOf(rollout) }];
  });

const describeClusters = (touched: readonly ClusterEntry[], diff: PolicyDiff, { desired }: PendingChanges): StreamEvent[] => [
  ...touched.map(({ view }): StreamEvent => ({ event: 'cluster', data: view })),
  ...(desired ? [{ event: 'policy', data: { cluster: null, policies: null } } as const] : []),
  ...diff.update(touched.map(({ record }) => record)).map((data): StreamEvent => ({ event: 'policy', data })),
];

/** Reads what changed, once for all readers. */
const describeChanges = async (
  { fleet: reader, records, alerts }: ChangeReader,
  diff: PolicyDiff,
  pending: PendingChanges,
): Promise<StreamEvent[]> => {
  if (pending.alerts) await alerts.compareWithSilences();
  const fleet = await reader.read();
  // A new revision changes what every cluster should have.
  const touched = fleet.clusters().filter(({ record }) => pending.desired || pending.clusters.has(record.name));
  const readStatus = async (): Promise<StreamEvent> => ({ event: 'status', data: await reader.readStatus() });
  if (pending.isCut || touched.length > MAX_CLUSTERS) {
    for (const { record } of touched) diff.forget(record.name);
    return [RESET, await readStatus()];
  }
  // A forgotten cluster is in no list any more: readers read all of them again.
  const isAnyForgotten = [...pending.clusters].some((name) => fleet.cluster(name) === undefined);
  return [
    ...(isAnyForgotten ? [RESET] : []),
    ...describeCommits(records, pending.commits),
    ...(pending.alerts ? [{ event: 'alerts', data: await alerts.counts() } as const] : []),
    ...(pending.source ? [{ event: 'source', data: await reader.readSource() } as const] : []),
    ...describeClusters(touched, diff, pending),
    ...(pending.source || touched.length > 0 ? [await readStatus()] : []),
    ...pending.events,
  ];
};

/**
 * Turns changes of the ledger into events: gathered over a short window, so that a thousand reports make a few views,
 * and serialised once for all readers. While nobody reads, only the names of what changed are gathered. Ids carry a name of this process: those of another process are answered by a reset.
 */
export class Broadcast {
  readonly #deps: BroadcastDeps;
  readonly #keep: number;
  readonly #windowMs: number;
  readonly #epoch = randomUUID().slice(0, 8);
  readonly #readers = new Set<LiveReader>();
  /** Changes from before the readers that are there began. */
  #backlog: PendingChanges | undefined;
  readonly #kept: Message[] = [];
  readonly #diff = new PolicyDiff();
  #sequence = 0;
  /** The diff knows every cluster, but for those that changed while nobody read. */
  #knowsAll: boolean = false;
  #pending = new PendingChanges();
  #busy: boolean = false;

  constructor(deps: BroadcastDeps) {
    this.#deps = deps;
    const { keep = 1000, windowMs = 100 } = deps.config.stream ?? {};
    this.#keep = keep;
    this.#windowMs = windowMs;
    deps.ledger.subscribe((change) => {
      this.#pending.add(change);
      if (change.kind === 'cluster' && this.#readers.size === 0) this.#diff.forget(change.cluster);
      this.#wake();
    });
    deps.alerts.subscribe(() => {
      this.#pending.alerts = true;
      this.#wake();
    });
    deps.ledger.records.subscribe(COMMIT_KIND, (slot) => {
      this.#pending.commits.add(slot);
      this.#wake();
    });
  }

  /** Where to go on after `lastId`; without one, from now. */
  start(lastId: string | undefined): Start {
    const id = this.#idOf(this.#sequence);
    if (lastId === undefined || lastId === id) return { replay: [], reset: false, id };
    const at = this.#kept.findIndex((message) => message.id === lastId);
    // The position just before the oldest kept message is as good as a kept one.
    const isFirst = this.#kept.length > 0 && lastId === this.#idOf(this.#sequence - this.#kept.length);
    if (at < 0 && !isFirst) return { replay: [], reset: true, id };
    return { replay: this.#kept.slice(at + 1), reset: false, id };
  }

  /** @returns a function that ends the subscription */
  subscribe(reader: LiveReader): () => void {
    // What happened while nobody read is not news to one who begins now; it is kept for those who come back.
    if (reader.isNew && this.#readers.size === 0 && !this.#pending.isEmpty && this.#backlog === undefined) {
      this.#backlog = this.#pending;
      this.#pending = new PendingChanges();
    }
    this.#readers.add(reader);
    this.#wake();
    return () => this.#readers.delete(reader);
  }

  #idOf(sequence: number): string {
    return `${this.#epoch}-${sequence}`;
  }

  /** @param isPast it happened before the readers began that are new */
  #send(event: StreamEvent, isPast = false): void {
    this.#sequence += 1;
    const id = this.#idOf(this.#sequence);
    const message = { id, text: encodeMessage(id, event) };
    this.#kept.push(message);
    if (this.#kept.length > this.#keep) this.#kept.shift();
    for (const reader of this.#readers) if (!isPast || !reader.isNew) reader.take(message);
  }

  async #flush(): Promise<void> {
    const { fleet, ledger, alerts, runtime } = this.#deps;
    while (this.#hasWork) {
      const past = this.#backlog;
      this.#backlog = undefined;
      const pending = past ?? this.#pending;
      const beganMs = runtime.clock.monotonicMs();
      if (past === undefined) this.#pending = new PendingChanges();
      for (const event of await describeChanges({ fleet, records: ledger.records, alerts }, this.#diff, pending))
        this.#send(event, past !== undefined);
      await this.#noteAll();
      const tookMs = runtime.clock.monotonicMs() - beganMs;
      const restMs = restAfter(tookMs, { minMs: this.#windowMs, maxMs: MAX_REST_MS });
      await runtime.clock.sleep(restMs, new AbortController().signal);
    }
  }

  async #noteAll(): Promise<void> {
    if (this.#knowsAll) return;
    const fleet = await this.#deps.fleet.read();
    // What has changed since is still to be told.
    for (const { record } of fleet.clusters()) if (!this.#pending.clusters.has(record.name)) this.#diff.note(record);
    this.#knowsAll = true;
  }

  get #hasWork(): boolean {
    return this.#readers.size > 0 && (this.#backlog !== undefined || !this.#pending.isEmpty);
  }

  #wake(): void {
    if (this.#busy || !this.#hasWork) return;
    this.#busy = true;
    this.#flush()
      .catch((err: unknown) => {
        this.#deps.runtime.logger.error({ err }, 'live events failed');
        // These changes are lost to the readers, who have to read again.
        this.#send(RESET);
      })
      .finally(() => {
        this.#busy = false;
        this.#wake();
      });
  }
}
