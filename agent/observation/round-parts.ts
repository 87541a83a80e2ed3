import type { RoundPart } from '@fso/shared/protocol';
import { type Clock, messageOf } from '@fso/shared/runtime';

/** Last successful run of a part of a reconcile. */
export interface PartState {
  /**
   * Start of the last reconcile in which the part ran without an error, monotonic ms; undefined if
   * there was none.
   */
  readonly startedAtMs: number | undefined;
  /** Duration of that run, in ms. */
  readonly tookMs: number;
  /** Error of the last run, if any. */
  readonly error: string | undefined;
}

interface RoundPartsDeps {
  readonly clock: Pick<Clock, 'monotonicMs'>;
  readonly onFailure: (part: RoundPart, error: unknown) => void;
}

/**
 * Runs the parts of a reconcile independently: a part that fails writes nothing and does not affect
 * the others. Its last result becomes outdated with time.
 */
export class RoundParts {
  readonly #deps: RoundPartsDeps;
  readonly #states = new Map<RoundPart, PartState>();
  #startedAtMs = 0;
  /** Errors of the current reconcile. */
  readonly #errors = new Map<RoundPart, string>();
  readonly #tookMs = new Map<RoundPart, number>();

  constructor(deps: RoundPartsDeps) {
    this.#deps = deps;
  }

  /** Begins a reconcile. */
  begin(): void {
    this.#startedAtMs = this.#deps.clock.monotonicMs();
    this.#errors.clear();
    this.#tookMs.clear();
  }

  /**
   * Runs a part, or a piece of it.
   *
   * @param otherwise result if it fails
   */
  run<T>(part: RoundPart, work: () => T, otherwise: T): T {
    const { clock, onFailure } = this.#deps;
    const began = clock.monotonicMs();
    // Time of nested pieces counts once.
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

  /** Ends a reconcile. Its parts are as old as its beginning. */
  end(): void {
    for (const [part, tookMs] of this.#tookMs) {
      const error = this.#errors.get(part);
      const before = this.state(part);
      this.#states.set(part, error === undefined ? { startedAtMs: this.#startedAtMs, tookMs, error } : { ...before, error });
    }
  }

  /**
   * Records that the cache has not changed, so that all parts would have the same result. A part
   * that failed is not confirmed.
   */
  confirm(): void {
    this.#startedAtMs = this.#deps.clock.monotonicMs();
    for (const [part, state] of this.#states)
      if (state.error === undefined) this.#states.set(part, { ...state, startedAtMs: this.#startedAtMs });
  }

  /** Drops all results. */
  forget(): void {
    this.#states.clear();
  }

  /** Whether a part failed in the last reconcile. */
  get hasFailed(): boolean {
    return [...this.#states.values()].some(({ error }) => error !== undefined);
  }

  state(part: RoundPart): PartState {
    return this.#states.get(part) ?? { startedAtMs: undefined, tookMs: 0, error: undefined };
  }
}
