import type { ClusterEvent, RevisionFacts } from '@fso/shared/api';
import {
  type AcceptedRevision,
  type AgentFrame,
  changedFacts,
  type Inspect,
  type Inspected,
  type Listed,
  type Report,
  type ReportedState,
  totalOf,
} from '@fso/shared/protocol';
import { type Runtime, Wakeup, weakMemo } from '@fso/shared/runtime';
import { groupDeviations, isWhole } from '@fso/shared/status';
import type { AcceptedPolicies, AgentSnapshot, Observatory, StreamFacts } from '../observe/index.ts';
import type { EventOutbox } from './event-outbox.ts';
import { HoldBack } from './hold-back.ts';
import { ListRequest } from './list-request.ts';
import { PolicyStatements } from './policy-statements.ts';
import { ReportCheck } from './report-check.ts';
import { applied, type FrameRoom, takeFrame } from './report-delta.ts';
import { ResyncRequest } from './resync-request.ts';
import { baselineOf, digestOfPolicies, NOTHING_SENT, SentReports } from './sent-reports.ts';

/** Sources of what a report says. */
export interface ReporterOptions extends Pick<Runtime, 'clock' | 'logger'> {
  readonly observatory: Observatory;
  readonly outbox: EventOutbox;
  /** The facts that are no part of a snapshot as it stands. */
  readonly revisions: (snapshot: AgentSnapshot) => RevisionFacts & StreamFacts;
  /** The policies of the accepted commit; undefined: none was accepted, or they are not known. */
  readonly accepted: () => AcceptedPolicies | undefined;
  readonly room?: FrameRoom;
}

type Send = (frame: AgentFrame) => void;

/**
 * Least time between two reports: a burst of changes is one report, a single change goes out at
 * once.
 */
const SPACING_MS = 20;
/** Reports in flight; beyond it changes gather until the hub has caught up. */
const WINDOW = 32;
const totalNow = weakMemo(totalOf);

/**
 * Step ⑧, the agent's half: sends the hub what changed since the last report. Frames of one
 * connection arrive in order and without gaps, so a delta builds on the one sent before it; after a
 * new connection it builds on what the hub says it has. Where that is nothing that this agent sent,
 * or when the hub asks, everything is sent, in several frames where one is too small.
 */
export class Reporter {
  readonly #options: ReporterOptions;
  readonly #wakeup = new Wakeup();
  #send: Send | undefined;
  #full: boolean = true;
  /** Whether the last frame had no room for all. */
  #isCut: boolean = false;
  /** Revision that was accepted and is not acknowledged yet, and when: monotonic, ms. */
  #ack: { readonly revision: string; readonly digest: string; readonly atMs: number } | undefined;
  /** Whether the hub has yet to get the digest that ends the reports of this stream. */
  #owesDigest: boolean = false;
  readonly #check: ReportCheck;
  readonly #statements: PolicyStatements;
  readonly #holdBack: HoldBack;
  readonly #resync: ResyncRequest;
  readonly #listRequest: ListRequest;
  /**
   * Whether the hub has yet to read so much that the next report waits, as changes gather in it.
   */
  #isBehind: () => boolean = () => false;
  readonly #sent = new SentReports();

  constructor(options: ReporterOptions) {
    this.#options = options;
    this.#check = new ReportCheck(options.logger);
    this.#statements = new PolicyStatements(this.#check);
    this.#holdBack = new HoldBack(options.clock);
    this.#resync = new ResyncRequest(options.clock);
    this.#listRequest = new ListRequest({ clock: options.clock, accepted: options.accepted, statements: this.#statements });
  }

  /**
   * Begins to report on a stream: what changed since the hub's state, or everything.
   *
   * @param isBehind whether a report should wait; the caller calls {@link poke} when that ends
   */
  connected(send: Send, reported: ReportedState, isBehind: () => boolean = () => false): void {
    // The hello has said what was accepted before.
    this.#ack = undefined;
    this.#send = send;
    this.#isBehind = isBehind;
    this.#full = !this.#sent.goOnFrom(reported);
    this.#isCut = false;
    this.#owesDigest = true;
    // Events that it took without an answer come again: it keeps each once.
    this.#startOver();
    // The hub waits for the first word of each agent before it greets more of them.
    this.sendDigest();
  }

  /**
   * Acknowledges a revision with the next report, which says how the cluster is with it; without
   * one to come, at once.
   */
  accepted({ revision, digest }: { readonly revision: string; readonly digest: string }): void {
    // The hub is never more than one accepted revision behind, whose objects the agent still holds.
    this.sendAck();
    this.#ack = { revision, digest, atMs: this.#options.clock.monotonicMs() };
    this.#wakeup.wake();
  }

  /** Sends the ack that waits for a report, if there is one, without it. */
  sendAck(): void {
    const ack = this.#send && this.#takeAck();
    if (ack !== undefined) this.#send?.({ type: 'ack', ...ack });
  }

  #takeAck(): AcceptedRevision | undefined {
    if (this.#ack === undefined) return undefined;
    const { atMs, ...ack } = this.#ack;
    this.#ack = undefined;
    return { ...ack, heldMs: Math.round(this.#options.clock.monotonicMs() - atMs) };
  }

  disconnected(): void {
    this.#send = undefined;
    this.#resync.cancel();
    this.#listRequest.cancel();
  }

  /** Records that the hub has acknowledged every report up to `seq`. */
  acknowledged(seq: number): void {
    this.#sent.acknowledged(seq);
    this.#options.outbox.acknowledged(seq);
    this.#wakeup.wake();
  }

  /**
   * The hub asks for everything, and gets it as often as {@link ResyncRequest} says. Events of
   * refused reports are sent again.
   */
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
    this.#sent.forgetUnacknowledged();
    this.#wakeup.wake();
  }

  /** @returns the full report of a policy, which the hub requests */
  inspect({ id, policy }: Inspect): Inspected {
    const known = this.#options.observatory.snapshot().policies.get(policy);
    return { type: 'inspected', id, report: known === undefined ? null : (this.#check.policy(policy, known.report) ?? null) };
  }

  /**
   * @returns the policies of the accepted list, which the hub does not know; undefined: by now
   * another one is accepted
   */
  listed(list: string): Listed | undefined {
    return this.#listRequest.answer(list);
  }

  /**
   * The hub asks for the policies of a list, and gets those of the accepted one as often as
   * {@link ResyncRequest} says.
   */
  list(list: string): void {
    if (!this.#listRequest.open(list)) return;
    this.#listIfDue();
    this.#wakeup.wake();
  }

  #listIfDue(): void {
    const answer = this.#isBehind() ? undefined : this.#listRequest.take();
    if (answer !== undefined) this.#send?.(answer);
  }

  event(event: ClusterEvent): void {
    this.#options.outbox.add(event);
    this.#wakeup.wake();
  }

  /** Wakes the reporter after a change outside the observatory. */
  poke(): void {
    this.#wakeup.wake();
  }

  /** Sends the digest of what the hub should have by now, so that a difference is found. */
  sendDigest(): void {
    if (this.#full || this.#isCut) return;
    // The hub answers with the digest of the revision that it knows to be accepted.
    this.sendAck();
    const { seq, policies } = this.#sent.last;
    this.#send?.({ type: 'digest', digest: digestOfPolicies(policies), seq });
  }

  /** Works until the signal aborts, which is what it throws then. */
  async run(signal: AbortSignal): Promise<void> {
    const { observatory, clock } = this.#options;
    const stops = [observatory.onChange(() => this.#wakeup.wake()), observatory.onEvent(() => this.#wakeup.wake())];
    try {
      while (!signal.aborted) {
        await this.#waitForNews(signal);
        this.#resyncIfDue();
        this.#listIfDue();
        if (this.#report()) await clock.sleep(SPACING_MS, signal);
        else this.#sayCurrent();
      }
    } finally {
      for (const stop of stops) stop();
    }
  }

  async #waitForNews(signal: AbortSignal): Promise<void> {
    const listingInMs = this.#isBehind() ? undefined : this.#listRequest.dueInMs;
    const reportInMs = this.#mayReport ? this.#holdBack.dueInMs : undefined;
    const dues = [reportInMs, this.#resync.dueInMs, listingInMs].filter((due) => due !== undefined);
    const dueInMs = Math.min(...dues);
    await (dues.length === 0 ? this.#wakeup.wait(signal) : this.#wakeup.waitAtMost(dueInMs, this.#options.clock, signal));
  }

  /**
   * Sends the digest once on each stream, when all reports are sent and acknowledged: the state at
   * the hub is current then.
   */
  #sayCurrent(): void {
    const isSaid = !this.#full && !this.#isCut && this.#holdBack.dueInMs === undefined && this.#sent.inFlight === 0;
    if (!this.#owesDigest || this.#send === undefined || !isSaid) return;
    this.#owesDigest = false;
    this.sendDigest();
  }

  /** @returns whether there was something to send */
  #report(): boolean {
    if (!this.#mayReport) return false;
    const frame = this.#nextReport();
    if (frame !== undefined) this.#send?.(frame);
    else if (this.#holdBack.dueInMs === undefined) this.sendAck();
    return frame !== undefined;
  }

  /** Whether a hub is connected and keeps up. */
  get #mayReport(): boolean {
    return this.#send !== undefined && this.#sent.inFlight < WINDOW && !this.#isBehind();
  }

  #nextReport(): Report | undefined {
    const { observatory, outbox, revisions, accepted: readAccepted, room } = this.#options;
    const snapshot = observatory.snapshot();
    const accepted = readAccepted();
    const statement = this.#statements.of(accepted, snapshot);
    const { samples, risks } = statement;
    const cluster = this.#check.cluster({
      ...snapshot.cluster,
      ...revisions(snapshot),
      ...(samples.length > 0 && { violationSamples: samples }),
      ...(risks.length > 0 && { riskSamples: risks }),
    });
    const full = this.#full;
    const before = full ? NOTHING_SENT : this.#sent.last;
    const flags = { hasEvents: outbox.size > 0, isChanging: accepted?.isChanging === true, isUrgent: full || this.#isCut };
    const due = this.#holdBack.take({ ...statement, ...flags, cluster }, before);
    if (due === undefined) return undefined;
    const part = takeFrame(due.delta, room);
    this.#full = false;
    this.#isCut = !part.isWhole;
    const known = part.isWhole ? due.policies : applied(before.policies, part);
    const seq = this.#sent.add({ ground: statement.ground, policies: known, cluster });
    const ack = this.#takeAck();
    if (!part.isWhole) this.#wakeup.wake();
    return {
      type: 'report',
      seq,
      full,
      ...(part.isWhole ? {} : { more: true }),
      baseline: baselineOf(statement.ground, snapshot.asOf),
      total: totalNow(due.policies),
      ...(ack && { ack }),
      ...changedFacts(before.cluster, cluster),
      deviations: groupDeviations(part.named),
      policies: [...part.named.values()].filter(isWhole),
      removed: [...part.removed],
      events: [...outbox.send(seq)],
    };
  }
}
