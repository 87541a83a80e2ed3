import { isDeepStrictEqual } from 'node:util';
import { type ClusterEvent, type ClusterReport, type PolicyReport, policyKey } from '@fso/shared/api';
import {
  type AgentFrame,
  digestOfCluster,
  digestOfReports,
  hashOfReport,
  type Inspect,
  type Inspected,
  judgeClusterReport,
  judgePolicyReport,
  type Report,
  type ReportedState,
} from '@fso/shared/protocol';
import { type Clock, type Logger, Wakeup, weakMemo } from '@fso/shared/runtime';
import type { AgentSnapshot, Observatory, StreamFact } from '../observe/index.ts';
import type { EventOutbox } from './event-outbox.ts';
import { Progress } from './progress.ts';
import { ResyncRequest } from './resync-request.ts';
import { toSend } from './short-reports.ts';

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

const NO_DELTA: ReportDelta = { policies: [], removed: [] };

/** What turns `before` into `now`: replayed on `before`, it gives `now` exactly. */
export const diffReports = (before: ReadonlyMap<string, PolicyReport>, now: ReadonlyMap<string, PolicyReport>): ReportDelta =>
  before === now
    ? NO_DELTA
    : {
        policies: [...now].filter(([key, report]) => !isSame(before.get(key), report)).map(([, report]) => report),
        removed: [...before.keys()].filter((key) => !now.has(key)),
      };

/** Once for each report, as {@link judged}. */
const hashOf = weakMemo(hashOfReport);

/** Also in the order of their fields, as digests have it. */
const isSame = (before: PolicyReport | undefined, now: PolicyReport): boolean =>
  before === now || JSON.stringify(before) === JSON.stringify(now);

/** Once for each report, which stays the same object as long as it says the same. */
const judged = weakMemo((report: PolicyReport) => judgePolicyReport(report));

/**
 * Checks reports against their schema before they are sent: whatever is written into the cluster, the hub must still get
 * everything else.
 */
export class ReportCheck {
  readonly #logger: Logger;
  /** Keys of the policies whose reports are invalid now, undefined for the cluster's own; each is logged once. */
  readonly #wrong = new Set<string | undefined>();
  #policies: { readonly from: AgentSnapshot['policies']; readonly reports: ReadonlyMap<string, PolicyReport> } | undefined;
  #cluster: { readonly report: ClusterReport; readonly entry: ClusterReport } | undefined;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /**
   * The reports by key, short where the policy conforms; an invalid one is replaced by a report with phase Failed. The same object for the
   * same policies.
   */
  policies({ policies }: AgentSnapshot): ReadonlyMap<string, PolicyReport> {
    if (this.#policies?.from === policies) return this.#policies.reports;
    const reports = new Map<string, PolicyReport>();
    for (const [key, { report }] of policies) {
      const { entry, problem } = judged(report);
      this.#note(key, problem);
      if (entry !== undefined) reports.set(key, toSend(entry));
    }
    this.#policies = { from: policies, reports };
    return reports;
  }

  /** The same object as long as it says the same. */
  cluster(report: ClusterReport): ClusterReport {
    if (this.#cluster !== undefined && isDeepStrictEqual(report, this.#cluster.report)) return this.#cluster.entry;
    const { entry, problem } = judgeClusterReport(report);
    this.#cluster = { report, entry };
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
/** All that the hub knows once it has taken a report. */
interface SentState {
  readonly seq: number;
  readonly policies: ReadonlyMap<string, PolicyReport>;
  readonly cluster: ClusterReport | undefined;
}

const NOTHING_SENT: SentState = { seq: 0, policies: new Map(), cluster: undefined };

/** As the protocol has it; a policy beyond it goes at the hub and comes back with one of the next frames. */
const MAX_KEPT = 20_000;

/**
 * Step ⑧, the agent's half: sends the hub what changed since the last report. Frames of one connection arrive in order or not at
 * all, so a delta builds on the one sent before it; after a new connection it builds on what the hub says it has. Where that is nothing that
 * this agent sent, or when the hub asks, everything is sent, in several frames where one is too small.
 */
export class Reporter {
  readonly #options: ReporterOptions;
  readonly #wakeup = new Wakeup();
  #send: Send | undefined;
  #full: boolean = true;
  /** The last frame had no room for all. */
  #isCut: boolean = false;
  /** The hub was not told yet on this stream that nothing is left to say. */
  #owesDigest: boolean = false;
  readonly #check: ReportCheck;
  readonly #progress: Progress;
  readonly #resync: ResyncRequest;
  /** Whether the hub has yet to read so much that the next report waits, as changes gather in it. */
  #isBehind: () => boolean = () => false;
  #sent: SentState = NOTHING_SENT;
  /** States that the hub may have: after the last report that it acknowledged, and after each one since, but for the last of all. */
  #earlier: readonly SentState[] = [];

  constructor(options: ReporterOptions) {
    this.#options = options;
    this.#check = new ReportCheck(options.logger);
    this.#progress = new Progress(options.clock);
    this.#resync = new ResyncRequest(options.clock);
  }

  /**
   * A hub listens. It gets what changed since the state that it has, or everything.
   *
   * @param isBehind whether a report should wait; the caller calls {@link poke} when that ends
   */
  connected(send: Send, reported: ReportedState, isBehind: () => boolean = () => false): void {
    this.#send = send;
    this.#isBehind = isBehind;
    const known = this.#find(reported);
    this.#full = known === undefined;
    // What follows is numbered on from what the hub has.
    this.#sent = { ...(known ?? NOTHING_SENT), seq: reported.seq };
    this.#isCut = false;
    this.#owesDigest = true;
    // Events that it took without an answer come again: it keeps each once.
    this.#startOver();
    // The hub waits for the first word of each agent before it greets more of them.
    this.sendDigest();
  }

  disconnected(): void {
    this.#send = undefined;
    this.#resync.cancel();
  }

  /** The hub has taken in every report up to `seq`. */
  acknowledged(seq: number): void {
    this.#earlier = this.#earlier.filter((state) => state.seq >= seq);
    this.#options.outbox.acknowledged(seq);
    this.#wakeup.wake();
  }

  /** The hub asks for everything, and gets it as often as {@link ResyncRequest} says. Events of refused reports are sent again. */
  resync(): void {
    this.#resync.open();
    this.#resyncIfDue();
    this.#wakeup.wake();
  }

  #resyncIfDue(): void {
    if (!this.#resync.take()) return;
    this.#full = true;
    this.#startOver();
  }

  #startOver(): void {
    this.#options.outbox.takeBack();
    this.#earlier = [];
    this.#wakeup.wake();
  }

  /** The state that a hub has, of those that it may have. */
  #find({ seq, policies, cluster }: ReportedState): SentState | undefined {
    const states = [this.#sent, ...this.#earlier].filter((state) => digestOfReports(state.policies.values(), hashOf) === policies);
    const found = states.find((state) => state.seq === seq) ?? states[0];
    if (found?.cluster === undefined) return found;
    return digestOfCluster(found.cluster) === cluster ? found : { ...found, cluster: undefined };
  }

  /** @returns all that there is to say of a policy, which the hub asks for */
  inspect({ id, policy }: Inspect): Inspected {
    const known = this.#options.observatory.snapshot().policies.get(policy);
    return { type: 'inspected', id, report: known === undefined ? null : (judged(known.report).entry ?? null) };
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
    const { seq, policies } = this.#sent;
    this.#send?.({ type: 'digest', digest: digestOfReports(policies.values(), hashOf), seq });
  }

  /** Works until the signal aborts, which is what it throws then. */
  async run(signal: AbortSignal): Promise<void> {
    const { observatory, clock } = this.#options;
    const stops = [observatory.onChange(() => this.#wakeup.wake()), observatory.onEvent(() => this.#wakeup.wake())];
    try {
      while (!signal.aborted) {
        await this.#waitForNews(signal);
        this.#resyncIfDue();
        if (this.#report()) await clock.sleep(SPACING_MS, signal);
        else this.#sayCurrent();
      }
    } finally {
      for (const stop of stops) stop();
    }
  }

  async #waitForNews(signal: AbortSignal): Promise<void> {
    const dues = [this.#mayReport ? this.#progress.dueInMs : undefined, this.#resync.dueInMs].filter((due) => due !== undefined);
    const dueInMs = Math.min(...dues);
    await (dues.length === 0 ? this.#wakeup.wait(signal) : this.#wakeup.waitAtMost(dueInMs, this.#options.clock, signal));
  }

  /** Once on each stream: all that there was to say has been said and taken, so what the hub has is how it is now. */
  #sayCurrent(): void {
    const isSaid = !this.#full && !this.#isCut && this.#progress.dueInMs === undefined && this.#earlier.length === 0;
    if (!this.#owesDigest || this.#send === undefined || !isSaid) return;
    this.#owesDigest = false;
    this.sendDigest();
  }

  /** @returns whether there was something to send */
  #report(): boolean {
    if (!this.#mayReport) return false;
    const frame = this.#nextReport();
    if (frame === undefined) return false;
    this.#send?.(frame);
    return true;
  }

  /** A hub listens, and keeps up. */
  get #mayReport(): boolean {
    return this.#send !== undefined && this.#earlier.length < WINDOW && !this.#isBehind();
  }

  #nextReport(): Report | undefined {
    const { observatory, outbox, revisions, room } = this.#options;
    const snapshot = observatory.snapshot();
    const now = this.#check.policies(snapshot);
    const cluster = this.#check.cluster({ ...snapshot.cluster, ...revisions(snapshot) });
    const full = this.#full;
    const before = full ? NOTHING_SENT : this.#sent;
    const delta = this.#progress.take({ ...diffReports(before.policies, now), cluster, events: outbox.size }, before);
    if (delta.cluster === undefined && delta.policies.length + delta.removed.length + outbox.size === 0) return;
    const { policies, removed, isWhole, rest } = fitting(delta, room);
    const seq = this.#sent.seq + 1;
    this.#full = false;
    this.#earlier = [...this.#earlier, this.#sent];
    const isAll = isWhole && this.#progress.dueInMs === undefined;
    this.#sent = { seq, policies: isAll ? now : applied(before.policies, { policies, removed }), cluster: delta.cluster ?? before.cluster };
    this.#isCut = !isWhole;
    if (!isWhole) this.#wakeup.wake();
    return {
      type: 'report',
      seq,
      full,
      ...(full && rest.length > 0 ? { kept: rest.slice(0, MAX_KEPT) } : {}),
      ...(delta.cluster === undefined ? {} : { cluster: delta.cluster }),
      policies: [...policies],
      removed: [...removed],
      events: [...outbox.send(seq)],
    };
  }
}
