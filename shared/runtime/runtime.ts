import type { Clock } from './clock.ts';
import type { Logger } from './program/logger.ts';

/** Dependencies of every long-running part. Tests control time and randomness. */
export interface Runtime {
  readonly clock: Clock;
  /** 0 ≤ x < 1. */
  readonly random: () => number;
  readonly logger: Logger;
}
