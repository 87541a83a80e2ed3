import { digestOfCluster, digestOfNamed, type Report, type ReportedState } from '@fso/shared/protocol';
import { weakMemo } from '@fso/shared/runtime';
import { digestOfBaseline } from '@fso/shared/status';
import type { KnownState } from './hold-back.ts';
import type { ReportBasis } from './policy-statements.ts';

/** Everything that the hub knows after a report. */
interface SentState extends KnownState {
  readonly seq: number;
}

/** State of a hub without a report of this agent. */
export const NOTHING_SENT: SentState = { seq: 0, ground: null, policies: new Map(), cluster: undefined };

/** Digest of everything that is reported by name. Memoized by identity. */
export const digestOfPolicies = weakMemo((named: KnownState['policies']) => digestOfNamed(named));

/**
 * Builds the baseline of a report; null if no commit is accepted.
 *
 * @param asOf start of the reconcile that the ground is based on; not part of its digest
 */
export const baselineOf = (ground: ReportBasis | null | undefined, asOf: Date = new Date(0)): Report['baseline'] =>
  ground == null ? null : { ...ground.baseline, asOf: asOf.toISOString() };

const digestOfGround = (ground: ReportBasis | null | undefined): string | null => {
  const baseline = baselineOf(ground);
  return baseline && digestOfBaseline(baseline);
};

/** States that the hub may have, one for each unacknowledged report. */
export class SentReports {
  #last: SentState = NOTHING_SENT;
  /**
   * States that the hub may have: after the last acknowledged report, and after each later one
   * except the last.
   */
  #earlier: readonly SentState[] = [];

  /** State of a hub that has received every report. */
  get last(): SentState {
    return this.#last;
  }

  /** Number of unacknowledged reports. */
  get inFlight(): number {
    return this.#earlier.length;
  }

  /** Records a report. @returns its sequence number */
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
   * Bases the next report on the state that a hub reports, and continues its numbering.
   *
   * @returns whether this agent knows that state; otherwise the hub needs everything
   */
  goOnFrom(reported: ReportedState): boolean {
    const known = this.#find(reported);
    this.#last = { ...(known ?? NOTHING_SENT), seq: reported.seq };
    return known !== undefined;
  }

  /**
   * Finds the reported state among those that the hub may have. A different state of the cluster or
   * the baseline is sent again.
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
