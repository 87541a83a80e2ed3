import { isDeepStrictEqual } from 'node:util';
import { type ClusterEvent, type ClusterReport, type PolicyReport, policyKey } from '@fso/shared/api';
import { type AgentFrame, digestOfReports, judgeClusterReport, judgePolicyReport, type Report } from '@fso/shared/protocol';
import { type Clock, type Logger, Wakeup } from '@fso/shared/runtime';
import { weakMemo } from '../compare.ts';
import type { AgentSnapshot, Observatory, StreamFact } from '../observe/index.ts';
import type { EventOutbox } from './event-outbox.ts';

export interface ReportDelta {
  readonly policies: readonly PolicyReport[];
  /** Keys. */
  readonly removed: readonly string[];
}

/** Room of one frame, far below what a hub takes in: events and the state of the cluster come beside it. */
export interface FrameRoom {
  readonly entries: number;
  /** Of the policies as JSON. */
  readonly bytes: number;
}

const REPORT_ROOM: FrameRoom = { entries: 20_000, bytes: 4 * 1024 * 1024 };

/** The part of a delta that fits into one frame, at least one policy, and the keys of the policies that the next ones have to bring. */
export const fitting = (
  { policies, removed }: ReportDelta,
  { entries, bytes }: FrameRoom = REPORT_ROOM,
): ReportDelta & { readonly isWhole: boolean; readonly rest: readonly string[] } => {
  let left = bytes;
  const end = policies.findIndex((report, index) => {
    left -= sizeOf(report);
    return index > 0 && (left < 0 || index >= entries);
  });
  const count = end === -1 ? policies.length : end;
  const rest = policies.slice(count).map(policyKey);
  const isWhole = rest.length === 0 && removed.length <= entries;
  return { policies: policies.slice(0, count), removed: removed.slice(0, entries), isWhole, rest };
};

const sizeOf = (report: PolicyReport): number => Buffer.byteLength(JSON.stringify(report)) + 1;

/** `before` after a delta. */
export const applied = (
  before: ReadonlyMap<string, PolicyReport>,
  { policies, removed }: ReportDelta,
): ReadonlyMap<string, PolicyReport> => {
  const after = new Map(before);
  for (const report of policies) after.set(policyKey(report), report);
  for (const key of removed) after.delete(key);
  return after;
};

/** What turns `before` into `now`: replayed on `before`, it gives `now` exactly. */
export const diffReports = (before: ReadonlyMap<string, PolicyReport>, now: ReadonlyMap<string, PolicyReport>): ReportDelta => ({
  policies: [...now].filter(([key, report]) => !isSame(before.get(key), report)).map(([, report]) => report),
  removed: [...before.keys()].filter((key) => !now.has(key)),
});

const isSame = (before: PolicyReport | undefined, now: PolicyReport): boolean => before === now || isDeepStrictEqual(before, now);

/** Once for each report, which stays the same object as long as it says the same. */
const judged = weakMemo((report: PolicyReport) => {
  const { entry, problem } = judgePolicyReport(report);
  return problem === undefined ? { entry: report } : { entry, problem };
});

/**
 * Checks reports against their schema before they are sent: whatever is written into the cluster, the hub must still get
 * everything else.
 */
export class ReportCheck {
  readonly #logger: Logger;
  /** Keys of the policies whose reports are invalid now, undefined for the cluster's own; each is logged once. */
  readonly #wrong = new Set<string | undefined>();

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** The reports by key; an invalid one is replaced by a report with phase Failed. */
  policies({ policies }: AgentSnapshot): ReadonlyMap<string, PolicyReport> {
    const reports = new Map<string, PolicyReport>();
    for (const [key, { report }] of policies) {
      const { entry, problem } = judged(report);
      this.#note(key, problem);
      if (entry !== undefined) reports.set(key, entry);
    }
    return reports;
  }

  cluster(report: ClusterReport): ClusterReport {
    const { entry, problem } = judgeClusterReport(report);
    this.#note(undefined, problem);
    return entry;
  }

  #note(policy: string | undefined, problem: string | undefined): void {
    if (problem === undefined) this.#wrong.delete(policy);
    else if (!this.#wrong.has(policy)) {
      this.#wrong.add(policy);
      this.#logger.error({ policy, problem }, 'report is not valid, a part of it is left out');
    }
  }
}

export type RevisionFacts = Pick<ClusterReport, StreamFact>;

export interface ReporterOptions {
  readonly observatory: Observatory;
  readonly outbox: EventOutbox;
  readonly clock: Clock;
  readonly logger: Logger;
  /** The facts about revisions, given a snapshot. */
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
 * Step ⑧, the agent's half: sends the hub what changed since the last report. Frames of one connection arrive in order or not at
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
