import type { PolicyRisks } from '@fso/shared/api';
import type { NodeFacts } from '@fso/shared/risk';
import { messageOf, type Runtime, Wakeup } from '@fso/shared/runtime';
import type { Governance } from '../enforce/index.ts';
import type { OwnerEvents } from './owner-events.ts';
import type { OwnerCache } from './owners/owner-cache.ts';
import { type DryRuns, RiskFinder } from './risk-finder.ts';
import type { DroppedShapes, ShapeRecorder } from './shapes/shape-recorder.ts';
import type { FoundRisk } from './sum-risks.ts';
import type { WebhookCache } from './webhook-cache.ts';

/** Knowledge of the risks in the cluster. */
export interface KnownRisks {
  /**
   * Risks by policy; policies that deny nothing are absent. `recent`: unknown for a moment, as
   * after a start. undefined: unknown.
   */
  readonly policies: ReadonlyMap<string, PolicyRisks | 'recent'> | 'recent' | undefined;
  /** Reason why risks are unknown, or (`isPartial`) some of them; undefined if all are known. */
  readonly problem: { readonly text: string; readonly isPartial: boolean } | undefined;
}

/** Caches in which owners are judged, and handlers for changes of the result. */
export interface RiskWatchDeps extends Pick<Runtime, 'clock' | 'logger'> {
  readonly owners: Pick<OwnerCache, 'ownersIn' | 'problem' | 'leftOut' | 'subscribe'>;
  readonly webhooks: Pick<WebhookCache, 'fingerprint' | 'subscribe'>;
  readonly shapes: Pick<ShapeRecorder, 'in' | 'versionIn' | 'forgotten' | 'subscribe'>;
  readonly view: { readonly places: { readonly facts: readonly NodeFacts[] } };
  readonly dryRuns: DryRuns;
  /** Absent: no events are written on owners. */
  readonly events?: Pick<OwnerEvents, 'look'> | undefined;
  /** Whether the API server injects placements. */
  readonly injects: () => boolean;
  /** Time after which policies in the cluster no longer show the last known risks, in ms. */
  readonly shownMs: number;
  /** Requests the next reconcile. */
  readonly wake: () => void;
}

const TICK_MS = 1_000;
/** Longest time for which judging blocks the thread, in ms. */
const SLICE_MS = 4;
/** Time for judging within a reconcile, in ms. Most changes concern a few owners. */
const ROUND_SLICE_MS = 1;
/**
 * Pause after a slice, as a multiple of its duration: judging takes at most a third of the time.
 */
const REST = 2;

/**
 * Finds owners whose next pods are at risk, and has their templates probed. It judges in slices
 * beside the reconciles; what is not judged in time is unknown. Enforcement does not depend on it:
 * if it fails, risks are unknown.
 */
export class RiskWatch {
  readonly #deps: RiskWatchDeps;
  readonly #finder: RiskFinder;
  readonly #wakeup = new Wakeup();
  #governance: Pick<Governance, 'namespaces' | 'policies'> | undefined;
  /** Whether inputs may have changed since they were last read. */
  #hasChanged: boolean = false;
  /** Judgement in progress. */
  #steps: Generator<void> | undefined;
  /** Whether there are results that no reconcile has shown yet. */
  #hasNews: boolean = false;
  #failure: string | undefined;
  #unknownSince: number | undefined;

  constructor(deps: RiskWatchDeps) {
    this.#deps = deps;
    this.#finder = new RiskFinder(deps.dryRuns, deps.shapes);
  }

  /** Judges changes and requests reconciles that show the results. Runs until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { owners, webhooks, shapes } = this.#deps;
    const ends = [owners, webhooks, shapes].map((cache) => cache.subscribe(() => this.judgeSoon()));
    await Promise.all([this.#judge(signal), this.#watch(signal)]);
    for (const end of ends) end();
  }

  /** Judges what is due beside the reconciles, and requests a reconcile when done. */
  judgeSoon(): void {
    this.#hasChanged = true;
    this.#wakeup.wake();
  }

  async #judge(signal: AbortSignal): Promise<void> {
    const { clock, wake } = this.#deps;
    try {
      for (;;) {
        await this.#wakeup.wait(signal);
        while (!this.#judgeSlice()) await clock.sleep(SLICE_MS * REST, signal);
        if (this.#hasNews) wake();
        this.#hasNews = false;
        if (this.#failure !== undefined) await clock.sleep(TICK_MS, signal);
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  /** @returns whether nothing is left to judge, or judging failed */
  #judgeSlice(): boolean {
    try {
      if (this.#hasChanged) this.#update();
      this.#failure = undefined;
      return this.#work(SLICE_MS);
    } catch (error) {
      this.#fail(error);
      return true;
    }
  }

  #fail(error: unknown): void {
    this.#deps.logger.error({ err: error }, 'risks cannot be found');
    this.#steps = undefined;
    this.#failure = `they cannot be found: ${messageOf(error)}`;
    this.judgeSoon();
  }

  /** Requests a reconcile when the data on owners becomes out of date, or current again. */
  async #watch(signal: AbortSignal): Promise<void> {
    const { owners, clock, wake } = this.#deps;
    const state = (): string => `${owners.problem} ${this.#isOver}`;
    let before = state();
    while (!signal.aborted) {
      await clock.sleep(TICK_MS, signal).catch(() => undefined);
      const now = state();
      if (now !== before) wake();
      before = now;
    }
  }

  /** Returns the current knowledge for a reconcile. Never throws. */
  look(governance: Pick<Governance, 'namespaces' | 'policies'>): KnownRisks {
    this.#governance = governance;
    const { problem } = this.#deps.owners;
    if (problem !== undefined) return this.#unknown(problem);
    try {
      this.#update();
      if (this.#work(ROUND_SLICE_MS)) this.#hasNews = false;
      else this.#wakeup.wake();
    } catch (error) {
      this.#fail(error);
    }
    return this.#failure === undefined ? this.#known() : this.#unknown(this.#failure);
  }

  #known(): KnownRisks {
    const { owners, shapes, clock } = this.#deps;
    const { policies, recent, unjudged } = this.#finder.found(clock.monotonicMs());
    this.#deps.events?.look(policies);
    if (recent === 0) {
      this.#unknownSince = undefined;
      const problems = [unjudgedText(unjudged, owners.leftOut), forgottenText(shapes.forgotten)].filter((text) => text !== undefined);
      return { policies, problem: problems.length === 0 ? undefined : { text: problems.join('; '), isPartial: true } };
    }
    const problem = { text: `those of ${recent} policies are being judged`, isPartial: false };
    this.#unknownSince ??= clock.monotonicMs();
    if (!this.#isOver) return { policies, problem };
    return { policies: new Map([...policies].filter(([, risks]) => risks !== 'recent')), problem };
  }

  /**
   * Owners of a namespace whose next pods would be refused, as last judged; empty while owners are
   * not read or judging fails.
   */
  refusedOwnersIn(namespace: string): readonly FoundRisk[] {
    const isKnown = this.#deps.owners.problem === undefined && this.#failure === undefined;
    return isKnown ? this.#finder.refusedOwnersIn(namespace) : [];
  }

  /** Whether the last known state must no longer be shown. */
  get #isOver(): boolean {
    const { clock, shownMs } = this.#deps;
    return this.#unknownSince !== undefined && clock.monotonicMs() - this.#unknownSince >= shownMs;
  }

  #unknown(text: string): KnownRisks {
    this.#unknownSince ??= this.#deps.clock.monotonicMs();
    return { policies: this.#isOver ? undefined : 'recent', problem: { text, isPartial: false } };
  }

  #update(): void {
    const { owners, view, injects, webhooks, clock } = this.#deps;
    this.#hasChanged = false;
    if (this.#governance === undefined) return;
    this.#finder.update({
      governance: this.#governance,
      ownersIn: (namespace) => owners.ownersIn(namespace),
      nodes: view.places.facts,
      injects: injects(),
      webhooks: webhooks.fingerprint,
      nowMs: clock.monotonicMs(),
    });
  }

  /** Judges for a limited time. @returns whether nothing is left to judge */
  #work(ms: number): boolean {
    const { clock } = this.#deps;
    const end = clock.monotonicMs() + ms;
    while (!this.#finder.isDone) {
      this.#hasNews = true;
      this.#steps ??= this.#finder.judge();
      if (this.#steps.next().done === true) this.#steps = undefined;
      if (clock.monotonicMs() >= end) break;
    }
    return this.#finder.isDone;
  }
}

const unjudgedText = (unjudged: number, leftOut: ReadonlyMap<string, number>): string | undefined => {
  const [worst] = [...leftOut].toSorted(([, a], [, b]) => b - a);
  const beyond = [...leftOut.values()].reduce((sum, count) => sum + count, unjudged);
  if (beyond === 0) return undefined;
  const text = `${beyond} owners are not judged: there are more than are looked at, or their templates ask for more than is kept`;
  return worst === undefined ? text : `${text}; namespace ${worst[0]} has more than its share (${worst[1]})`;
};

const forgottenText = (forgotten: DroppedShapes | undefined): string | undefined =>
  forgotten &&
  `${forgotten.count} shapes of pods that came and went were forgotten, as there are more than are kept: the last one of namespace ${forgotten.namespace}`;
