import { isDeepStrictEqual } from 'node:util';
import type { ClusterEvent, ClusterReport, PolicyReport } from '@fso/shared/api';
import { type AgentFrame, digestOfReports, type Report } from '@fso/shared/protocol';
import { type Clock, type Logger, Wakeup } from '@fso/shared/runtime';
import type { AgentSnapshot, Observatory, StreamFact } from '../observe/types.ts';
import { applied, diffReports, type FrameRoom, fitting } from './diff.ts';
import type { EventOutbox } from './event-outbox.ts';
import { ReportCheck } from './report-check.ts';

export type RevisionFacts = Pick<ClusterReport, StreamFact>;

export interface ReporterOptions {
  readonly observatory: Observatory;
  readonly outbox: EventOutbox;
  readonly clock: Clock;
  readonly logger: Logger;
  /** What is known of revisions, given what is seen now. */
  readonly revisions: (snapshot: AgentSnapshot) => RevisionFacts;
  readonly room?: FrameRoom;
}

type Send = (frame: AgentFrame) => void;

/** Least time between two reports: a burst of changes is one report, a single change goes out at once. */
const SPACING_MS = 20;
/** Reports in flight; beyond it changes gather until the hub has caught up. */
const WINDOW = 32;
/** As the protocol has it; a policy beyond it goes at the hub and comes back with one of the next frames. */
const MAX_KEPT = 20_000;

/**
 * Step ⑧, the agent's half: tells the hub what changed since it last did. Frames of one connection arrive in order or not at
 * all, so a delta builds on the one sent before it; after a new connection, or when the hub asks, everything is sent, in several frames
 * where one is too small.
 */
export class Reporter {
  readonly #options: ReporterOptions;
  readonly #wakeup = new Wakeup();
  #send: Send | undefined;
  #seq = 0;
  #full: boolean = true;
  /** The last frame had no room for all. */
  #isCut: boolean = false;
  readonly #check: ReportCheck;
  #sent: ReadonlyMap<string, PolicyReport> = new Map();
  #sentCluster: ClusterReport | undefined;
  /** Numbers of reports. */
  #unacknowledged: readonly number[] = [];

  constructor(options: ReporterOptions) {
    this.#options = options;
    this.#check = new ReportCheck(options.logger);
  }

  /** A hub listens; it gets everything first. */
  connected(send: Send): void {
    this.disconnected();
    this.#send = send;
    this.#wakeup.wake();
  }

  disconnected(): void {
    this.#send = undefined;
    this.#full = true;
    this.#options.outbox.takeBack();
    this.#unacknowledged = [];
  }

  /** The hub has taken in every report up to `seq`. */
  acknowledged(seq: number): void {
    this.#unacknowledged = this.#unacknowledged.filter((sent) => sent > seq);
    this.#options.outbox.acknowledged(seq);
    this.#wakeup.wake();
  }

  /** The hub asks for everything. Events of refused reports are sent again. */
  resync(): void {
    this.#full = true;
    this.#options.outbox.takeBack();
    this.#unacknowledged = [];
    this.#wakeup.wake();
  }

  event(event: ClusterEvent): void {
    this.#options.outbox.add(event);
    this.#wakeup.wake();
  }

  /** Something may have changed that the observatory does not know of. */
  poke(): void {
    this.#wakeup.wake();
  }

  /** Tells the hub what it should know by now, so that a difference is found. */
  sendDigest(): void {
    if (this.#full || this.#isCut) return;
    this.#send?.({ type: 'digest', digest: digestOfReports(this.#sent.values()), seq: this.#seq });
  }

  /** Works until the signal aborts, which is what it throws then. */
  async run(signal: AbortSignal): Promise<void> {
    const { observatory, clock } = this.#options;
    const stops = [observatory.onChange(() => this.#wakeup.wake()), observatory.onEvent(() => this.#wakeup.wake())];
    try {
      while (!signal.aborted) {
        await this.#wakeup.wait(signal);
        if (this.#report()) await clock.sleep(SPACING_MS, signal);
      }
    } finally {
      for (const stop of stops) stop();
    }
  }

  /** @returns whether there was something to send */
  #report(): boolean {
    if (this.#send === undefined || this.#unacknowledged.length >= WINDOW) return false;
    const frame = this.#nextReport();
    if (frame === undefined) return false;
    this.#unacknowledged = [...this.#unacknowledged, frame.seq];
    this.#send(frame);
    return true;
  }

  #nextReport(): Report | undefined {
    const { observatory, outbox, revisions, room } = this.#options;
    const snapshot = observatory.snapshot();
    const now = this.#check.policies(snapshot);
    const cluster = this.#check.cluster({ ...snapshot.cluster, ...revisions(snapshot) });
    const full = this.#full;
    const before: ReadonlyMap<string, PolicyReport> = full ? new Map() : this.#sent;
    const delta = diffReports(before, now);
    const clusterChanged = full || !isDeepStrictEqual(cluster, this.#sentCluster);
    if (!clusterChanged && delta.policies.length + delta.removed.length + outbox.size === 0) return;
    const { policies, removed, isWhole, rest } = fitting(delta, room);
    this.#full = false;
    this.#sent = isWhole ? now : applied(before, { policies, removed });
    this.#sentCluster = cluster;
    this.#seq += 1;
    this.#isCut = !isWhole;
    if (!isWhole) this.#wakeup.wake();
    return {
      type: 'report',
      seq: this.#seq,
      full,
      ...(full && rest.length > 0 ? { kept: rest.slice(0, MAX_KEPT) } : {}),
      ...(clusterChanged ? { cluster } : {}),
      policies: [...policies],
      removed: [...removed],
      events: [...outbox.send(this.#seq)],
    };
  }
}
