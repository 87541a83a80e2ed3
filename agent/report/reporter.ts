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

/** Sources of the content of a report. */
export interface ReporterOptions extends Pick<Runtime, 'clock' | 'logger'> {
  readonly observatory: Observatory;
  readonly outbox: EventOutbox;
  /** Facts that are not part of the snapshot. */
  readonly revisions: (snapshot: AgentSnapshot) => RevisionFacts & StreamFacts;
  /** Policies of the accepted commit; undefined if none is accepted, or they are unknown. */
  readonly accepted: () => AcceptedPolicies | undefined;
  readonly room?: FrameRoom;
}

type Send = (frame: AgentFrame) => void;

/** Shortest time between two reports, in ms. A burst of changes becomes one report. */
const SPACING_MS = 20;
/** Most reports in flight. Beyond it, changes accumulate until the hub has caught up. */
const WINDOW = 32;
const totalNow = weakMemo(totalOf);

/**
 * Sends the hub what changed since the last report (the agent's half of step ⑧). Frames of one
 * connection arrive in order and without gaps, so a delta is based on the one sent before it. After
 * a reconnect it is based on the state that the hub reports. If this agent does not know that
 * state, or on request, everything is sent, in several frames if one is too small.
 */
export class Reporter {
  readonly #options: ReporterOptions;
  readonly #wakeup = new Wakeup();
  #send: Send | undefined;
  #full: boolean = true;
  /** Whether the last frame could not take everything. */
  #isCut: boolean = false;
  /** Accepted revision to acknowledge, with the monotonic time of its acceptance in ms. */
  #ack: { readonly revision: string; readonly digest: string; readonly atMs: number } | undefined;
  /** Whether the digest that ends the reports of this stream is still to be sent. */
  #isDigestPending: boolean = false;
  readonly #check: ReportCheck;
  readonly #statements: PolicyStatements;
  readonly #holdBack: HoldBack;
  readonly #resync: ResyncRequest;
  readonly #listRequest: ListRequest;
  /** Whether the hub has so much left to read that the next report should wait. */
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
   * Begins to report on a stream: everything, or the changes since the hub's state.
   *
   * @param isBehind whether a report should wait; the caller calls {@link poke} when that ends
   */
  connected(send: Send, reported: ReportedState, isBehind: () => boolean = () => false): void {
    // The hello has already reported the accepted revision.
    this.#ack = undefined;
    this.#send = send;
    this.#isBehind = isBehind;
    this.#full = !this.#sent.goOnFrom(reported);
    this.#isCut = false;
    this.#isDigestPending = true;
    // Sends events that the hub took without acknowledgement again. It keeps each only once.
    this.#requeue();
    // The hub waits for the first frame of each agent before it admits more agents.
    this.sendDigest();
  }

  /**
   * Acknowledges a revision with the next report, which describes the cluster under it, or at once
   * if no report follows.
   */
  accepted({ revision, digest }: { readonly revision: string; readonly digest: string }): void {
    // The hub is never more than one accepted revision behind, so that the agent still holds its
    // objects.
    this.sendAck();
    this.#ack = { revision, digest, atMs: this.#options.clock.monotonicMs() };
    this.#wakeup.wake();
  }

  /** Sends a waiting ack, if there is one, without a report. */
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
   * Handles the hub's request for everything, at the rate of {@link ResyncRequest}. Events of
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
    this.#requeue();
  }

  #requeue(): void {
    this.#options.outbox.takeBack();
    this.#sent.forgetUnacknowledged();
    this.#wakeup.wake();
  }

  /** Builds the full report of a policy, which the hub requested. */
  inspect({ id, policy }: Inspect): Inspected {
    const known = this.#options.observatory.snapshot().policies.get(policy);
    return { type: 'inspected', id, report: known === undefined ? null : (this.#check.policy(policy, known.report) ?? null) };
  }

  /**
   * Lists the policies of the accepted list, which the hub does not know.
   *
   * @returns undefined if another list has been accepted
   */
  listed(list: string): Listed | undefined {
    return this.#listRequest.answer(list);
  }

  /** Handles the hub's request for the accepted policies, see {@link ResyncRequest}. */
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

  /** Sends the digest of what the hub should have by now, so that differences are detected. */
  sendDigest(): void {
    if (this.#full || this.#isCut) return;
    // The hub responds with the digest of the revision that it knows to be accepted.
    this.sendAck();
    const { seq, policies } = this.#sent.last;
    this.#send?.({ type: 'digest', digest: digestOfPolicies(policies), seq });
  }

  /** Runs until the signal aborts. @throws the signal's reason */
  async run(signal: AbortSignal): Promise<void> {
    const { observatory, clock } = this.#options;
    const stops = [observatory.onChange(() => this.#wakeup.wake()), observatory.onEvent(() => this.#wakeup.wake())];
    try {
      while (!signal.aborted) {
        await this.#waitForNews(signal);
        this.#resyncIfDue();
        this.#listIfDue();
        if (this.#report()) await clock.sleep(SPACING_MS, signal);
        else this.#sendDigestOnce();
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
   * Sends the digest once per stream, when all reports are sent and acknowledged, so that the hub's
   * state is current.
   */
  #sendDigestOnce(): void {
    const isAllReported = !this.#full && !this.#isCut && this.#holdBack.dueInMs === undefined && this.#sent.inFlight === 0;
    if (!this.#isDigestPending || this.#send === undefined || !isAllReported) return;
    this.#isDigestPending = false;
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
