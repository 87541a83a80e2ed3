import { digestOfCluster, digestOfNamed, type Report, type ReportedState } from '@fso/shared/protocol';
import { weakMemo } from '@fso/shared/runtime';
import { digestOfBaseline } from '@fso/shared/status';
import type { KnownState } from './hold-back.ts';
import type { ReportBasis } from './policy-statements.ts';

/** All that the hub knows once it has taken a report. */
interface SentState extends KnownState {
  readonly seq: number;
}

/** State of a hub that has no report of this agent. */
export const NOTHING_SENT: SentState = { seq: 0, ground: null, policies: new Map(), cluster: undefined };

/** Digest of all that is reported by name; once for each map. */
export const digestOfPolicies = weakMemo((named: KnownState['policies']) => digestOfNamed(named));

/**
 * Makes the baseline of a report; null: no commit was accepted.
 *
 * @param asOf start of the round that the ground is of; its digest leaves it out
 */
export const baselineOf = (ground: ReportBasis | null | undefined, asOf: Date = new Date(0)): Report['baseline'] =>
  ground == null ? null : { ...ground.baseline, asOf: asOf.toISOString() };

const digestOfGround = (ground: ReportBasis | null | undefined): string | null => {
  const baseline = baselineOf(ground);
  return baseline && digestOfBaseline(baseline);
};

/** The states that the hub may have: one for each report that it has yet to acknowledge. */
export class SentReports {
  #last: SentState = NOTHING_SENT;
  /**
   * States that the hub may have: after the last report that it acknowledged, and after each one
   * since, but for the last of all.
   */
  #earlier: readonly SentState[] = [];

  /** The state of a hub that has taken every report. */
  get last(): SentState {
    return this.#last;
  }

  /** Number of reports without an acknowledgement. */
  get inFlight(): number {
    return this.#earlier.length;
  }

  /** Records a report. @returns its number */
  add(state: KnownState): number {
    this.#earlier = [...this.#earlier, this.#last];
    this.#last = { ...state, seq: this.#last.seq + 1 };
    return this.#last.seq;
  }

  /** Records that the hub has acknowledged every report up to `seq`. */
  acknowledged(seq: number): void {
    this.#earlier = this.#earlier.filter((state) => state.seq >= seq);
  }

  forgetUnacknowledged(): void {
    this.#earlier = [];
  }

  /**
   * Builds the next report on what a hub says it has, and numbers on from there. @returns whether
   * that is a state that this agent sent; else the hub needs everything
   */
  goOnFrom(reported: ReportedState): boolean {
    const known = this.#find(reported);
    this.#last = { ...(known ?? NOTHING_SENT), seq: reported.seq };
    return known !== undefined;
  }

  /**
   * The state that a hub has, of those that it may have. What else it has of the cluster, or of the
   * baseline, comes again.
   */
  #find({ seq, policies, cluster, baseline }: ReportedState): SentState | undefined {
    const states = [this.#last, ...this.#earlier].filter((state) => digestOfPolicies(state.policies) === policies);
    const found = states.find((state) => state.seq === seq) ?? states[0];
    if (found === undefined) return undefined;
    const isSame = found.cluster === undefined || digestOfCluster(found.cluster) === cluster;
    return {
      ...found,
      cluster: isSame ? found.cluster : undefined,
      ground: digestOfGround(found.ground) === baseline ? found.ground : undefined,
    };
  }
}
