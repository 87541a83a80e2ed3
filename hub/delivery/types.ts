import type { Clock } from '@fso/shared/runtime';
import type pino from 'pino';
import type { Checkpoints } from '../ledger/audit/checkpoints.ts';
import type { Ledger } from '../ledger/types.ts';
import type { AgentLimits } from './agent-budget.ts';
import type { Offers } from './offers.ts';

export interface DeliveryLimits {
  /** A connection that says no hello in this time is closed. */
  readonly helloMs: number;
  /** Connections of one cluster that may be without a hello at a time; one more closes the oldest. */
  readonly maxSilent: number;
  /** Time between pings; an agent that has not answered the one before is gone. */
  readonly heartbeatMs: number;
  /** An offer that is not on its way in this time makes the connection too slow. */
  readonly stallMs: number;
  /** Bytes that may wait for a connection beyond the offer on its way. */
  readonly maxBufferedBytes: number;
  /** A frame holds a report of each policy of the commit, and so its size is bounded by their number, and by this. */
  readonly maxFrameBytes: number;
  readonly agent: AgentLimits;
}

export interface DeliveryMetrics {
  connected(count: number): void;
  offered(): void;
  nacked(): void;
  reported(): void;
}

export interface DeliveryDeps {
  readonly ledger: Ledger;
  readonly offers: Offers;
  readonly checkpoints: Pick<Checkpoints, 'key' | 'framesFor' | 'onNew'>;
  readonly clock: Clock;
  readonly logger: pino.Logger;
  readonly metrics: DeliveryMetrics;
  readonly version: string;
  readonly limits: DeliveryLimits;
  /** Revision that is meant for a cluster now. */
  readonly target: (cluster: string) => string | null;
  /** Digest of what a cluster gets of a revision; undefined when that is not known (any more). */
  readonly digestOf: (cluster: string, revision: string) => string | undefined;
}
