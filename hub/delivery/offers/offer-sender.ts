import { GitObjectError } from '@fso/shared/git';
import { type Approvals, encodeFrame } from '@fso/shared/protocol';
import { messageOf, weakMemo } from '@fso/shared/runtime';
import { allowAnswer, type Frame, type FrameContext } from '../frame-handlers.ts';
import type { Outbox } from '../outbox.ts';
import { type EncodedOffer, OfferTooLargeError } from './offers.ts';

/** Errors that show that an offer can never be made. */
const REFUSALS = [OfferTooLargeError, GitObjectError];

/**
 * Time within which most agents answer an offer, in milliseconds: an ack waits for up to 1.5 s for
 * the report that goes with it.
 */
const ANSWER_MS = 2_000;

/** Encodes once what goes to all agents that are offered the commit: they share its bytes. */
const encodeApprovals = weakMemo((frame: Approvals) => Buffer.from(encodeFrame(frame)));

/** Connection of one agent, and what is called when an offer fails. */
export interface OfferSenderOptions {
  readonly outbox: Outbox;
  /** Waits a number of milliseconds. @throws the reason of the stream's end */
  readonly pace: (ms: number) => Promise<void>;
  /** Records a refusal on behalf of an agent that cannot be offered the revision. */
  readonly refuse: (nack: Frame<'nack'>) => void;
  /** Ends the stream: the agent comes back and gets the offer again. */
  readonly fail: () => void;
  /** Called with the error of a failed ledger write. */
  readonly onWriteFailure: (err: unknown) => void;
}

/** Offers an agent the revision that it should enforce: one at a time, the newest one next. */
export class OfferSender {
  readonly #context: FrameContext;
  readonly #options: OfferSenderOptions;
  /**
   * Whether the agent read nothing of its last offers, so that the next one waits until it shows
   * that it reads.
   */
  #isOnTrial: boolean = false;
  /** Tags that were sent last. */
  #approvals: Approvals | undefined;

  constructor(context: FrameContext, options: OfferSenderOptions) {
    this.#context = context;
    this.#options = options;
  }

  get isOnTrial(): boolean {
    return this.#isOnTrial;
  }

  /** Holds offers back until {@link endTrial}. */
  beginTrial(): void {
    this.#isOnTrial = true;
  }

  /** Sends the offer that was held back, if any. */
  endTrial(): void {
    if (!this.#isOnTrial) return;
    this.#isOnTrial = false;
    this.#offerTarget();
  }

  /**
   * Offers the agent a revision, unless it is on its way there or has a later one. Signed tags
   * about the revision are sent first. A failed offer closes the stream.
   */
  offer(wanted: string): void {
    const { state, deps } = this.#context;
    const { commits } = state;
    const revision = deps.targets.laterOf(wanted, commits.revision);
    this.#sendApprovals(revision);
    if (commits.target !== revision) {
      commits.target = revision;
      this.#options.outbox.dropWaiting();
      if (!this.#isOnTrial) this.#offerTarget();
    }
    this.#showNewest();
  }

  /** Records that the first bytes of an offer have gone out. */
  noteSent({ revision, objects }: EncodedOffer): void {
    const { state, deps, logger } = this.#context;
    const { commits } = state;
    allowAnswer(commits, revision, 'offered');
    commits.heading = revision;
    deps.metrics.offered();
    commits.offered = { revision, at: deps.clock.now() };
    logger.debug({ revision, objects }, 'revision offered');
  }

  /**
   * Catches up on what is overdue: shows the agent the newest commit, and records an offer without
   * an answer. Most offers are recorded with their answer, which saves a write for each agent and
   * commit.
   */
  catchUp(): void {
    const { cluster, stream, state, deps } = this.#context;
    this.#showNewest();
    const { offered } = state.commits;
    if (offered === undefined || deps.clock.now().getTime() - offered.at.getTime() < ANSWER_MS) return;
    state.commits.offered = undefined;
    deps.ledger.setOffered(cluster, offered.revision, stream, offered.at.toISOString()).catch(this.#options.onWriteFailure);
  }

  #sendApprovals(revision: string): void {
    const approvals = this.#context.deps.approvals.of(revision);
    if (approvals === undefined || approvals === this.#approvals) return;
    this.#approvals = approvals;
    this.#options.outbox.send(encodeApprovals(approvals));
  }

  /**
   * Shows the agent the newest commit while its policies wait, so that its signers count at once.
   * An agent without a commit gets that of its wave first.
   */
  #showNewest(): void {
    const { state, deps, closed, logger } = this.#context;
    const { commits } = state;
    const { newest } = deps.targets;
    if (newest === null || newest === commits.target || commits.revision === null) return;
    if ([commits.revision, commits.verified, commits.shown].includes(newest)) return;
    if (this.#isOnTrial || this.#options.outbox.isBusy) return;
    commits.shown = newest;
    this.#advance(newest, commits.verified ?? commits.revision).catch((err: unknown) => {
      if (err !== closed.reason) logger.warn({ err, revision: newest }, 'newest commit cannot be shown');
    });
  }

  async #advance(newest: string, anchor: string): Promise<void> {
    const { state, budget, deps, logger } = this.#context;
    const { outbox, pace } = this.#options;
    const { commits } = state;
    const waitMs = budget.claim({ holds: null, anchor });
    await pace(waitMs ?? 0);
    const frame = await deps.offers.advance(anchor, newest, commits.target, waitMs !== undefined);
    // If a newer commit has come meanwhile, that one is shown. An offer shows its commit as well.
    if (deps.targets.newest !== newest || commits.target === newest) return;
    if (outbox.isBusy) commits.shown = null;
    else if (frame === undefined) logger.warn({ anchor, revision: newest }, 'no way leads to the newest commit');
    else {
      allowAnswer(commits, newest, 'named');
      outbox.send(frame);
    }
  }

  #offerTarget(): void {
    const { target, heading } = this.#context.state.commits;
    // Not compared with what the agent enforces: if it works on another revision, this calls it
    // back.
    if (target !== null && target !== heading) this.#options.outbox.whenFree(() => this.#begin(target));
  }

  #begin(revision: string): void {
    const { closed, logger } = this.#context;
    this.#make(revision).catch((err: unknown) => {
      if (err === closed.reason) return;
      // The offer would fail again after a reconnect.
      if (REFUSALS.some((refusal) => err instanceof refusal)) {
        this.#refuse(revision, messageOf(err));
        return;
      }
      logger.error({ err, revision }, 'offer failed');
      this.#options.fail();
    });
  }

  /** Refuses a revision on behalf of an agent, which stays connected and keeps what it has. */
  #refuse(revision: string, message: string): void {
    allowAnswer(this.#context.state.commits, revision, 'named');
    this.#options.refuse({ type: 'nack', revision, reasons: [{ message }] });
  }

  async #make(revision: string): Promise<void> {
    const { cluster, state, budget, deps } = this.#context;
    const { outbox, pace } = this.#options;
    const { commits } = state;
    // The newest commit descends from what the agent has verified; an older one may not.
    const anchor = revision === deps.targets.newest ? (commits.verified ?? commits.anchor) : commits.anchor;
    const history = { cluster, holds: commits.holds, anchor };
    const waitMs = budget.claim(history);
    await pace(waitMs ?? 0);
    const offer = await deps.offers.get(history, revision, waitMs !== undefined);
    // A newer revision that came meanwhile makes its own offer.
    if (commits.target === revision) outbox.offer(offer);
  }
}
