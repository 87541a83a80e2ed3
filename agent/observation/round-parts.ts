import type { RoundPart } from '@fso/shared/protocol';
import { type Clock, messageOf } from '@fso/shared/runtime';

/** Last successful run of a part of a round. */
export interface PartState {
  /**
   * Start of the round of the last run without an error, monotonic ms; undefined: there was none.
   */
  readonly startedAtMs: number | undefined;
  /** Duration of that run, in ms. */
  readonly tookMs: number;
  /** The error of the last run; undefined: there was none. */
  readonly error: string | undefined;
}

interface RoundPartsDeps {
  readonly clock: Pick<Clock, 'monotonicMs'>;
  readonly onFailure: (part: RoundPart, error: unknown) => void;
}

/**
 * Runs the parts of a round so that they stand alone: one that fails writes nothing and leaves the
 * others as they are. What it would have found out gets old, and is known by its age.
 */
export class RoundParts {
  readonly #deps: RoundPartsDeps;
  readonly #states = new Map<RoundPart, PartState>();
  #startedAtMs = 0;
  /** Errors of this round. */
  readonly #errors = new Map<RoundPart, string>();
  readonly #tookMs = new Map<RoundPart, number>();

  constructor(deps: RoundPartsDeps) {
    this.#deps = deps;
  }

  /** Begins a round. */
  begin(): void {
    this.#startedAtMs = this.#deps.clock.monotonicMs();
    this.#errors.clear();
    this.#tookMs.clear();
  }

  /** Runs a part, or a piece of it. @param otherwise the result where it fails */
  run<T>(part: RoundPart, work: () => T, otherwise: T): T {
    const { clock, onFailure } = this.#deps;
    const began = clock.monotonicMs();
    // The time of a piece within a piece counts once.
    const before = this.#tookMs.get(part) ?? 0;
    try {
      return work();
    } catch (error) {
      if (!this.#errors.has(part)) onFailure(part, error);
      this.#errors.set(part, messageOf(error));
      return otherwise;
    } finally {
      this.#tookMs.set(part, before + clock.monotonicMs() - began);
    }
  }

  /** Ends a round: the parts that it ran are as old as its begin. */
  end(): void {
    for (const [part, tookMs] of this.#tookMs) {
      const error = this.#errors.get(part);
      const before = this.state(part);
      this.#states.set(part, error === undefined ? { startedAtMs: this.#startedAtMs, tookMs, error } : { ...before, error });
    }
  }

  /**
   * Takes note of a look at the cache that found nothing new: all parts would end as they did. A
   * part that failed is not confirmed.
   */
  confirm(): void {
    this.#startedAtMs = this.#deps.clock.monotonicMs();
    for (const [part, state] of this.#states)
      if (state.error === undefined) this.#states.set(part, { ...state, startedAtMs: this.#startedAtMs });
  }

  /** Forgets all runs. */
  forget(): void {
    this.#states.clear();
  }

  /** Whether a part failed in the last round. */
  get hasFailed(): boolean {
    return [...this.#states.values()].some(({ error }) => error !== undefined);
  }

  state(part: RoundPart): PartState {
    return this.#states.get(part) ?? { startedAtMs: undefined, tookMs: 0, error: undefined };
  }
}
