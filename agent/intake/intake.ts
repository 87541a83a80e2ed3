import { isDeepStrictEqual } from 'node:util';
import { type ClusterEvent, type HeldRevision, isHubManaged, MAX_MESSAGE, policyKeyOf, type SovereignPolicy } from '@fso/shared/api';
import { createAloneDecoder, createDecoder, type DecodeResult, registrationPaths, type SourceFile } from '@fso/shared/decode';
import type { Informer } from '@fso/shared/kube';
import type { Advance, Approvals, Offer } from '@fso/shared/protocol';
import { createBackoff, messageOf, truncate, Wakeup } from '@fso/shared/runtime';
import { type AcceptedRevision, isJudged, type TrustConfig } from '@fso/shared/trust';
import type { PlacedNodes } from '../cache/index.ts';
import type { RevisionSlot, TargetCommit } from '../control/index.ts';
import { desiredPolicies } from '../enforce/index.ts';
import { type AgentRuntime, API_RETRY } from '../runtime.ts';
import { ApprovalGate } from './approval-gate.ts';
import { type CompiledOffer, compileOffer, type OfferResult, type Target } from './compile-offer.ts';
import { IntakeEvents, type IntakeOutcome } from './intake-events.ts';
import { NewestCommit } from './newest-commit.ts';
import { ObjectStore } from './object-store.ts';
import { digestOfPlaces, savePlaces } from './places-store.ts';
import { type AcceptedState, type LoadedState, restoreState, saveState } from './state-store.ts';

/** Trust, caches and receivers of outcomes that the intake works with. */
export interface IntakeDeps {
  readonly runtime: AgentRuntime;
  readonly cluster: string;
  /** Trusted signers of commits. */
  readonly trust: TrustConfig;
  readonly policies: Informer<SovereignPolicy>;
  readonly places: Pick<PlacedNodes, 'judgeBy'>;
  readonly revisions: RevisionSlot;
  readonly onOutcome: (outcome: IntakeOutcome) => void;
  readonly onEvent: (event: ClusterEvent) => void;
}

/**
 * Receives commits from the hub (step ⑤): judges them, has them written by reconciles and persists
 * each one that is written.
 */
export class Intake {
  readonly #deps: IntakeDeps;
  readonly #held = new ObjectStore();
  readonly #decode: (files: readonly SourceFile[]) => DecodeResult = createDecoder({}, 'cluster');
  readonly #decodeAlone = createAloneDecoder();
  readonly #wakeup = new Wakeup();
  readonly #written = new Wakeup();
  /** Ends the wait after a failure to persist, as a new target makes the retry pointless. */
  readonly #targetChanged = new Wakeup();
  /** Commit that the reconciles write, or wrote last. */
  #target: Target | undefined;
  /** The target once the reconciles found it written; undefined until then. */
  #writtenTarget: TargetCommit | undefined;
  /** Running attempt to persist a target. The target must not change before it has ended. */
  #persisting: Promise<void> | undefined;
  /** Newest offer only. A fast hub must not fill the agent's memory. */
  #offered: Offer | undefined;
  #accepted: AcceptedState | undefined;
  readonly #events: IntakeEvents;
  readonly #gate: ApprovalGate;
  readonly #newest: NewestCommit;
  #compiling: boolean = false;

  constructor(deps: IntakeDeps) {
    this.#deps = deps;
    this.#events = new IntakeEvents(deps.runtime, deps.onEvent);
    this.#gate = new ApprovalGate(deps.trust, deps.runtime.clock);
    const verify = { trust: deps.trust, held: this.#held };
    this.#newest = new NewestCommit({
      ...deps.runtime,
      verify,
      onRefused: (revision, { reason, missing }) => this.#refuse(revision, { reasons: [reason], missing }),
      onStored: () => deps.onOutcome({ type: 'verified' }),
    });
    deps.revisions.onWritten((target) => {
      this.#writtenTarget = target;
      this.#written.wake();
    });
  }

  /** State accepted last: written and persisted. */
  get accepted(): AcceptedState | undefined {
    return this.#accepted;
  }

  /** Commits that the next one has to follow. */
  get newest(): Pick<NewestCommit, 'known' | 'anchors' | 'stored'> {
    return this.#newest;
  }

  /** Commit that waits for an approval, if any. */
  get held(): HeldRevision | undefined {
    return this.#gate.held;
  }

  /** Whether the accepted commit was judged by the signers that are configured now. */
  get judged(): boolean {
    return this.#accepted === undefined || isJudged(this.#deps.trust, this.#accepted);
  }

  /**
   * Whether a commit may unregister this cluster: it is known whether it was registered before, or
   * it has no policies to lose.
   */
  get #mayLeave(): boolean {
    const { registration } = this.#target ?? this.#accepted ?? {};
    const isKnown = registration === null || (registration !== undefined && registrationPaths(this.#deps.cluster).includes(registration));
    return isKnown || !this.#deps.policies.list().some(isHubManaged);
  }

  /** Accepted commit, even if its policies could not be read. */
  get #last(): AcceptedRevision | undefined {
    return this.#newest.known.accepted;
  }

  /** Commit whose objects are held in memory. */
  get holds(): string | null {
    return this.#held.revision;
  }

  /** Whether an offer is being checked or written. */
  get busy(): boolean {
    return this.#compiling || this.#offered !== undefined || this.#target?.revision !== this.#accepted?.revision;
  }

  /**
   * Takes a frame of the hub: an offer, a commit whose policies still wait, or signed tags that may
   * approve a waiting commit.
   */
  take(frame: Offer | Advance | Approvals): void {
    if (frame.type === 'offer') this.#offered = frame;
    else if (frame.type === 'advance') this.#newest.offer(frame);
    else this.#gate.setApprovals(frame);
    this.#wakeup.wake();
  }

  /** Drops the held objects, so that the hub has to send a full offer. */
  forgetObjects(): void {
    this.#held.clear();
  }

  /** Loads the accepted state, see {@link restoreState}. @throws the signal's reason */
  async restore(signal: AbortSignal): Promise<void> {
    const { runtime, policies } = this.#deps;
    this.#resume(await restoreState(runtime, (until) => policies.ready(until), signal));
  }

  /** Runs until the signal aborts. @throws the signal's reason */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.all([this.#compileOffers(signal), this.#persistWritten(signal), this.#newest.run(signal)]);
  }

  #resume({ state, problem, kept, ahead }: LoadedState): void {
    const { logger } = this.#deps.runtime;
    if (problem !== undefined) logger.warn({ problem }, 'accepted state cannot be used, waiting for the hub');
    this.#accepted = state;
    const last = state ?? kept;
    if (last !== undefined) this.#newest.restore(last, ahead);
    if (state === undefined) return;
    const { policies, ...accepted } = state;
    const { revision } = accepted;
    logger.info({ revision, policies: policies?.size ?? null }, 'accepted state restored');
    // The places are empty: those of this commit are already stored.
    if (policies !== undefined) this.#target = { ...accepted, outside: [], places: {}, desired: policies, objects: new Map() };
    this.#deps.revisions.resume(state, this.#target);
  }

  /** Resolves once no target is being persisted. */
  async #persisted(): Promise<void> {
    while (this.#persisting !== undefined) await this.#persisting.catch(() => undefined);
  }

  async #compileOffers(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#gate.wait(this.#wakeup, signal);
      await this.#persisted();
      const { waiting } = this.#gate;
      if (waiting !== undefined && (await this.#newest.distrusts(waiting))) this.#gate.drop();
      if (this.#gate.waiting !== undefined && this.#offered === undefined) this.#admit(this.#gate.waiting);
      for (let offer = this.#offered; offer !== undefined; offer = this.#offered) {
        this.#offered = undefined;
        await this.#judge(offer);
      }
      await this.#newest.verifyOffered();
    }
  }

  async #judge(offer: Offer): Promise<void> {
    const { runtime, cluster, trust, onOutcome } = this.#deps;
    const { clock, logger, trace } = runtime;
    const { revision } = offer;
    this.#compiling = true;
    trace?.offered(revision);
    this.#gate.drop();
    try {
      const last = this.#last;
      const verify = { trust, held: this.#held, now: clock.now(), known: this.#newest.known };
      const decoders = { decode: this.#decode, decodeAlone: this.#decodeAlone };
      const result = await compileOffer(offer, { cluster, mayLeave: this.#mayLeave, verify, ...decoders });
      await this.#persisted();
      // Another commit came into force meanwhile, which this one has to be judged by.
      if (this.#last?.revision !== last?.revision) this.#offered ??= offer;
      else if (!result.ok) this.#refuse(revision, result);
      else this.#admit(result.offer);
      if (this.#target?.revision !== last?.revision) this.#gate.keepOffer(offer);
    } catch (error) {
      logger.error({ revision, err: error }, 'offer could not be judged');
      const message = truncate(`the agent failed on this offer: ${messageOf(error)}`, MAX_MESSAGE);
      trace?.refused(revision, [{ message }]);
      onOutcome({ type: 'nack', revision, reasons: [{ message }], missing: false });
    } finally {
      this.#compiling = false;
    }
  }

  /** Enforces a commit, or lets it wait for its approval. */
  #admit(offer: CompiledOffer): void {
    const { runtime, onOutcome } = this.#deps;
    const { revision } = offer;
    const before = this.#gate.held;
    if (revision === this.#target?.revision || this.#gate.admits(offer, this.#last, this.#newest.known.ahead)) this.#setTarget(offer);
    else this.#newest.note(revision, offer.verified);
    if (this.#gate.held === undefined || isDeepStrictEqual(before, this.#gate.held)) return;
    runtime.logger.info(this.#gate.held, 'offer is good, and waits for an approval');
    onOutcome({ type: 'held', revision });
  }

  #refuse(revision: string, { reasons, missing }: Omit<Extract<OfferResult, { ok: false }>, 'ok'>): void {
    this.#deps.runtime.trace?.refused(revision, reasons);
    this.#events.refused(revision, { reasons, missing });
    if (missing) this.forgetObjects();
    this.#deps.onOutcome({ type: 'nack', revision, reasons, missing });
  }

  #setTarget({ revision, compiled, places, objects, part, approval, verified }: CompiledOffer): void {
    const { verification, trust } = verified;
    if (verification.state === 'failed') this.#events.notTrusted(revision, `taken all the same, ${verification.reason}`);
    const before = this.#target?.desired ?? new Map();
    const live = new Map(this.#deps.policies.list().map((policy) => [policyKeyOf(policy), policy]));
    const desired = desiredPolicies({ compiled: compiled.policies, revision, before, live });
    // Held from now on, because the hub may base its next offer on this commit.
    this.#held.add(objects);
    const { logger, trace } = this.#deps.runtime;
    trace?.aimed(revision, { policies: desired.size, objects: objects.size });
    logger.info({ revision, policies: desired.size, objects: objects.size }, 'offer is good, writing its policies');
    const [{ registration, outside }, { digest }] = [part, compiled];
    this.#target = { revision, digest, verification, trust, approval, registration, outside, places, desired, objects };
    this.#deps.places.judgeBy(places);
    this.#targetChanged.wake();
    this.#deps.revisions.setTarget(this.#target);
  }

  /**
   * Persists each target once reconciles found it written. Retries while the API server refuses.
   */
  async #persistWritten(signal: AbortSignal): Promise<void> {
    const { clock, random } = this.#deps.runtime;
    const backoff = createBackoff({ ...API_RETRY, random });
    let failing: Target | undefined;
    while (!signal.aborted) {
      await this.#written.wait(signal);
      const target = this.#target;
      if (target === undefined || target !== this.#writtenTarget) continue;
      if (target !== failing) backoff.reset();
      this.#persisting = this.#accept(target, signal).finally(() => {
        this.#persisting = undefined;
      });
      try {
        await this.#persisting;
      } catch (error) {
        signal.throwIfAborted();
        failing = target;
        const retryInMs = backoff.next();
        this.#deps.revisions.notePersistFailures(backoff.failures);
        this.#events.notPersisted(target.revision, backoff.failures, error);
        await this.#targetChanged.waitAtMost(retryInMs, clock, signal);
        this.#written.wake();
      }
    }
  }

  async #accept(written: Target, signal: AbortSignal): Promise<void> {
    const { desired, objects, outside, places, ...target } = written;
    const { runtime, onOutcome } = this.#deps;
    const { client, logger, trace } = runtime;
    const { revision, digest } = target;
    const state: AcceptedState = { ...target, places: digestOfPlaces(places), policies: desired };
    await savePlaces(client, places, this.#accepted?.places, signal);
    await saveState(client, state, signal);
    this.#events.scopeLeft(this.#accepted, written);
    const again = revision === this.#last?.revision ? undefined : this.#gate.noteAccepted();
    this.#newest.noteAccepted(state);
    this.#accepted = state;
    if (again !== undefined) this.take(this.#offered ?? again);
    if (this.#writtenTarget === written) this.#writtenTarget = undefined;
    this.#deps.revisions.accept(written, state);
    this.#held.accept(revision, objects);
    trace?.accepted(revision);
    logger.info({ revision, policies: desired.size, verification: state.verification }, 'revision accepted');
    onOutcome({ type: 'ack', revision, digest });
  }
}
