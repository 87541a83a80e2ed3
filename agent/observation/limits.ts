/**
 * Maximum ages of observations, in ms of the agent's monotonic clock
 * (docs/reference/observation.md).
 */
export interface ObservationLimits {
  /** Longest time between two reconciles of the leader. */
  readonly lookMs: number;
  /**
   * Age at which a part of a reconcile is out of date; four times its last duration if that is
   * longer.
   */
  readonly partMs: number;
  /** Upper bound for the age of a part, whatever its duration. */
  readonly longestPartMs: number;
  /** Time without news of a kind after which it is out of date. */
  readonly kindMs: number;
  /** Time without a byte after which a watch ends and its kind is listed again. */
  readonly silenceMs: number;
  /** Shortest time between two lists of pods caused by a silent watch. */
  readonly podListMs: number;
  /** Time after which policies in the cluster show NotObserved. */
  readonly shownMs: number;
  /**
   * Time after which the agent reports in an event that something is out of date, or current again.
   */
  readonly eventMs: number;
  /** Shortest time between two writes of the shapes of pods. */
  readonly shapesMs: number;
  /** Lateness of a timer that shows that the agent was suspended. */
  readonly pauseMs: number;
}

/** Limits in production. Tests use shorter ones. */
export const OBSERVATION_LIMITS: ObservationLimits = {
  lookMs: 10_000,
  partMs: 30_000,
  longestPartMs: 120_000,
  kindMs: 120_000,
  silenceMs: 75_000,
  podListMs: 300_000,
  shownMs: 120_000,
  eventMs: 60_000,
  shapesMs: 300_000,
  pauseMs: 5_000,
};
