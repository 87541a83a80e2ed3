import { randomUUID } from 'node:crypto';
import type { StreamEvent } from '@fso/shared/api';
import { type Clock, type Logger, restAfter } from '@fso/shared/runtime';
import type { FleetState } from '../../ledger/index.ts';
import { COMMIT_KIND } from '../../rollout/index.ts';
import type { FleetDeps } from '../fleet/fleet-reader.ts';
import { type ChangeReader, describeChanges, PolicyDiff, RESET } from './describe-changes.ts';
import { PendingChanges } from './pending-changes.ts';

/** Bounds of an event stream. */
export interface StreamOptions {
  /** Interval of heartbeat comments in milliseconds. Default: 15 s. */
  readonly heartbeatMs?: number;
  /**
   * Maximum number of unread bytes of a reader. Beyond it nothing is sent until it has read them;
   * then it gets `reset`. Default: 1 MiB.
   */
  readonly maxUnreadBytes?: number;
  /** Number of messages kept for readers that reconnect. Default: 1000. */
  readonly keep?: number;
  /**
   * Time for which changes are collected and sent together, in milliseconds; the first one is sent
   * at once. Default: 100 ms.
   */
  readonly windowMs?: number;
}

/** Sources of live events. */
export interface BroadcastDeps extends FleetDeps {
  readonly ledger: Pick<FleetState, 'subscribe' | 'records'>;
  readonly alerts: ChangeReader['alerts'] & { readonly subscribe: (handler: () => void) => () => void };
  readonly config: { readonly stream?: StreamOptions | undefined };
  readonly runtime: { readonly clock: Clock; readonly logger: Logger };
}

/** Encoded event with its position. */
export interface Message {
  readonly id: string;
  readonly text: string;
}

/** Reader of live events. */
export interface LiveReader {
  /** Whether the reader starts now instead of resuming at an earlier position. */
  readonly isNew: boolean;
  readonly take: (message: Message) => void;
}

/** Start of a reader: missed messages, or a reset if they are no longer kept. */
export interface StreamStart {
  readonly replay: readonly Message[];
  readonly reset: boolean;
  /** Position before all messages that will be sent from now on. */
  readonly id: string;
}

/** Encodes an event as a server-sent event. */
export const encodeMessage = (id: string, { event, data }: StreamEvent): string =>
  `id: ${id}\nevent: ${event}\ndata: ${JSON.stringify(data)}\n\n`;

/** Maximum pause after changes of thousands of clusters, in milliseconds. */
const MAX_REST_MS = 1_000;

/**
 * Turns changes of the ledger into events. Changes are collected for a short time, so that a
 * thousand reports need few views, and serialized once for all readers. Without readers, only the
 * names of changed objects are collected. Ids start with a name of this process; an id of another
 * process leads to a reset.
 */
export class Broadcast {
  readonly #deps: BroadcastDeps;
  readonly #keep: number;
  readonly #windowMs: number;
  readonly #epoch = randomUUID().slice(0, 8);
  readonly #readers = new Set<LiveReader>();
  /** Changes from before the current readers started. */
  #backlog: PendingChanges | undefined;
  readonly #kept: Message[] = [];
  readonly #diff = new PolicyDiff();
  #sequence = 0;
  /** Whether the diff knows every cluster, except those that changed while there was no reader. */
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

  /** Returns the start of a reader after `lastId`; without an id, it starts now. */
  start(lastId: string | undefined): StreamStart {
    const id = this.#idOf(this.#sequence);
    if (lastId === undefined || lastId === id) return { replay: [], reset: false, id };
    const at = this.#kept.findIndex((message) => message.id === lastId);
    // The position just before the oldest kept message can be resumed too.
    const isFirst = this.#kept.length > 0 && lastId === this.#idOf(this.#sequence - this.#kept.length);
    if (at < 0 && !isFirst) return { replay: [], reset: true, id };
    return { replay: this.#kept.slice(at + 1), reset: false, id };
  }

  /** @returns a function that ends the subscription */
  subscribe(reader: LiveReader): () => void {
    // Earlier changes do not concern a new reader. They are kept for readers that reconnect.
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

  /** @param isPast whether the event happened before the current new readers started */
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
      if (past === undefined) this.#pending = new PendingChanges();
      const before = fleet.spentMs;
      for (const event of await describeChanges({ fleet, records: ledger.records, alerts }, this.#diff, pending))
        this.#send(event, past !== undefined);
      await this.#noteAll();
      // Depends on the CPU time, not the duration: a busy hub must not stop sending.
      const restMs = restAfter(fleet.spentMs - before, { minMs: this.#windowMs, maxMs: MAX_REST_MS });
      await runtime.clock.sleep(restMs, new AbortController().signal);
    }
  }

  async #noteAll(): Promise<void> {
    if (this.#knowsAll) return;
    const fleet = await this.#deps.fleet.read();
    // Clusters that changed meanwhile are still to be sent.
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
        // The failed changes are lost, so readers have to read everything again.
        this.#send(RESET);
      })
      .finally(() => {
        this.#busy = false;
        this.#wake();
      });
  }
}
