/** A write that keeps failing. */
export interface WorkFailure {
  /** Of its target, e.g. `Namespace/finance`. */
  readonly key: string;
  readonly policies: readonly string[];
  readonly error: string;
  /** The write was taken, and part of it dropped: see NotKeptError. */
  readonly notKept?: true;
  /** In a row. */
  readonly failures: number;
}

/** Failures in a row after which people are told. */
export const ALERT_AFTER = 3;

export const isAlert = (failure: WorkFailure): boolean => failure.failures >= ALERT_AFTER;
