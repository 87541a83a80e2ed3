/** How long something counts as known, in ms of the agent's monotonic clock (docs/reference/observation.md). */
export interface ObservationLimits {
  /** The leader plans a round at least this often. */
  readonly lookMs: number;
  /** A part of a round is out of date after this, or after four times its last duration if that is longer. */
  readonly partMs: number;
  /** Longest age of a part, whatever its duration. */
  readonly longestPartMs: number;
  /** A kind is out of date when nothing was seen it for this long. */
  readonly kindMs: number;
  /** A watch without a byte for this long ends, and its kind is listed again. */
  readonly silenceMs: number;
  /** Pods are listed at most this often because of a silent watch. */
  readonly podListMs: number;
  /** Policies in the cluster read NotObserved after this. */
  readonly shownMs: number;
  /** The agent reports in an event what has been out of date for this long, and when it has been right again for this long. */
  readonly eventMs: number;
  /** A timer that is this late shows that the agent was suspended. */
  readonly pauseMs: number;
}

export const OBSERVATION_LIMITS: ObservationLimits = {
  lookMs: 10_000,
  partMs: 30_000,
  longestPartMs: 120_000,
  kindMs: 120_000,
  silenceMs: 75_000,
  podListMs: 300_000,
  shownMs: 120_000,
  eventMs: 60_000,
  pauseMs: 5_000,
};

/** Limits that are shorter or longer by a factor, for tests. A pause stays as long: a busy machine must not look like one. */
export const scaleLimits = (limits: ObservationLimits, factor: number): ObservationLimits => ({
  lookMs: limits.lookMs * factor,
  partMs: limits.partMs * factor,
  longestPartMs: limits.longestPartMs * factor,
  kindMs: limits.kindMs * factor,
  silenceMs: limits.silenceMs * factor,
  podListMs: limits.podListMs * factor,
  shownMs: limits.shownMs * factor,
  eventMs: limits.eventMs * factor,
  pauseMs: limits.pauseMs,
});
