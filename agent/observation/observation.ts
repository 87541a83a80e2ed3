import type { KubeObject } from '@fso/shared/api';
import type { Informer } from '@fso/shared/kube';
import { type Ages, OBSERVED_KINDS, type Observation, type ObservedKind, ROUND_PARTS, type RoundPart } from '@fso/shared/protocol';
import { type Clock, listText, type PauseDetector } from '@fso/shared/runtime';
import { type Claim, missingEvidence } from './evidence.ts';
import type { ObservationLimits } from './limits.ts';
import type { RoundParts } from './round-parts.ts';

/** State of the observation of a kind by one of its informers. */
export interface KindState {
  readonly kind: ObservedKind;
  readonly informer: Pick<Informer<KubeObject>, 'seenAtMs' | 'failure'>;
}

/** Sources of the ages of evidence: kinds, parts of a reconcile, pauses of the process. */
export interface ClusterObservationDeps {
  readonly clock: Pick<Clock, 'monotonicMs'>;
  readonly limits: ObservationLimits;
  /** Every kind that is read, by informer. */
  readonly kinds: () => readonly KindState[];
  readonly parts: Pick<RoundParts, 'state'>;
  readonly pauses: Pick<PauseDetector, 'isLate'>;
}

/** Reason why something is out of date, for users. */
export interface Cause {
  /** Equal for equal causes, independent of the text. */
  readonly id: string;
  readonly text: string;
}

/** Time before all others; monotonic ms. */
const NEVER = Number.NEGATIVE_INFINITY;
/** Share of unreachable kinds from which on the whole API server counts as unreachable. */
const UNREACHABLE_SHARE = 0.5;

/**
 * Ages of the agent's evidence about its cluster. An outdated observation becomes unknown; the last
 * value is never used instead (docs/reference/observation.md).
 */
export class ClusterObservation {
  readonly #deps: ClusterObservationDeps;
  #hasEnded: boolean = false;

  constructor(deps: ClusterObservationDeps) {
    this.#deps = deps;
  }

  /** Ends the observation. After that nothing counts as known. */
  end(): void {
    this.#hasEnded = true;
  }

  /** Ages in ms, and what is out of date by the agent's own limits. */
  ages(): Ages & { readonly outOfDate: readonly Observation[] } {
    const outOfDate: Observation[] = this.#isPaused ? ['Pause'] : [];
    const now = this.#deps.clock.monotonicMs();
    let [oldestPartMs, oldestKindMs] = [0, 0];
    for (const part of ROUND_PARTS) {
      const { startedAtMs = NEVER, tookMs } = this.#deps.parts.state(part);
      const ageMs = now - startedAtMs;
      oldestPartMs = Math.max(oldestPartMs, ageMs);
      if (ageMs > this.#partLimitMs(tookMs)) outOfDate.push(part);
    }
    for (const { kind, informer } of this.#deps.kinds()) {
      const ageMs = now - (informer.seenAtMs ?? NEVER);
      oldestKindMs = Math.max(oldestKindMs, ageMs);
      // A kind with several informers is as old as the oldest one.
      if (ageMs > this.#deps.limits.kindMs && !outOfDate.includes(kind)) outOfDate.push(kind);
    }
    return { oldestPartMs, oldestKindMs, outOfDate };
  }

  get #isPaused(): boolean {
    return this.#hasEnded || this.#deps.pauses.isLate();
  }

  /**
   * Reads the ages once.
   *
   * @returns function that gives the reason why a claim cannot be made now, for people; undefined
   * if it can
   */
  problems(): (claim: Claim) => string | undefined {
    const { outOfDate } = this.ages();
    if (outOfDate.length === 0) return () => undefined;
    return (claim) => {
      const missing = missingEvidence(claim, outOfDate);
      return missing.length === 0 ? undefined : `not observed: ${listText(this.#causesOf(missing).map(({ text }) => text))}`;
    };
  }

  /** Causes of everything that is out of date. */
  causes(): readonly Cause[] {
    return this.#causesOf(this.ages().outOfDate);
  }

  #causesOf(outOfDate: readonly Observation[]): readonly Cause[] {
    const kinds = OBSERVED_KINDS.filter((kind) => outOfDate.includes(kind));
    const unreachable = kinds.filter((kind) => this.#failureOf(kind)?.cause === 'unreachable');
    const isServerAway = unreachable.length > 0 && unreachable.length >= kinds.length * UNREACHABLE_SHARE;
    const named = isServerAway ? kinds.filter((kind) => !unreachable.includes(kind)) : kinds;
    const parts = ROUND_PARTS.filter((part) => outOfDate.includes(part));
    return [
      ...(isServerAway ? [{ id: 'APIServer', text: 'the API server is not reached' }] : []),
      ...named.map((kind) => ({ id: kind, text: this.#describeKind(kind) })),
      ...parts.map((part) => ({ id: part, text: this.#describePart(part) })),
      ...(outOfDate.includes('Pause') ? [{ id: 'Pause', text: 'the agent was suspended, or does not lead any more' }] : []),
    ];
  }

  #describeKind(kind: ObservedKind): string {
    const failure = this.#failureOf(kind);
    return failure === undefined ? `nothing is seen of ${kind}` : `${kind} cannot be read: ${failure.message}`;
  }

  #describePart(part: RoundPart): string {
    const { error } = this.#deps.parts.state(part);
    return error === undefined ? `the part ${part} of a round is not run` : `the part ${part} of a round fails: ${error}`;
  }

  #failureOf(kind: ObservedKind) {
    return this.#informersOf(kind).find(({ failure }) => failure !== undefined)?.failure;
  }

  #informersOf(kind: ObservedKind): readonly KindState['informer'][] {
    return this.#deps
      .kinds()
      .filter((state) => state.kind === kind)
      .map(({ informer }) => informer);
  }

  /**
   * Largest allowed age of a part. In a large cluster a part may take long, and is then planned
   * less often.
   */
  #partLimitMs(tookMs: number): number {
    const { partMs, longestPartMs } = this.#deps.limits;
    return Math.max(partMs, Math.min(longestPartMs, 4 * tookMs));
  }
}
