import type { Duplex } from 'node:stream';
import type { Approvals } from '@fso/shared/protocol';
import type { Clock, Logger } from '@fso/shared/runtime';
import type WebSocket from 'ws';
import type { Checkpoints, FleetState, Journal } from '../ledger/index.ts';
import type { FrameDecoder } from './decoding/frame-decoder.ts';
import type { Offers } from './offers/offers.ts';
import type { RevisionTargets } from './offers/revision-targets.ts';
import type { AgentBudget, AgentLimits } from './pacing/agent-budget.ts';
import type { OfferLimit } from './pacing/offer-limit.ts';
import type { TurnLimiter } from './pacing/turn-limiter.ts';
import type { ListenerLimits } from './sockets/agent-server.ts';

/** Ages in milliseconds beyond which it is unknown whether what an agent reports still holds. */
export interface AgeLimits {
  /** Age of the part of its work that ran longest ago. */
  readonly partMs: number;
  /** Age of the kind that was updated longest ago. */
  readonly kindMs: number;
}

/** Bounds of streams, frames and what one cluster may cost. */
export interface DeliveryLimits {
  /** Milliseconds after which a connection without a hello is closed. */
  readonly helloMs: number;
  /**
   * Connections of one cluster that may be without a hello at a time; one more closes the oldest.
   */
  readonly maxSilent: number;
  /** Most agents between their hello and their first frame. */
  readonly maxGreeted: number;
  /**
   * Most agents that are asked for a full report or for a list at a time; the others are asked
   * later.
   */
  readonly maxResyncs: number;
  /** Most agents that wait for their welcome; one more is refused until later. */
  readonly maxWaiting: number;
  /** Milliseconds between pings; an agent that has not answered the previous one is cut off. */
  readonly heartbeatMs: number;
  readonly ages: AgeLimits;
  /** Milliseconds after a pause of the hub in which earlier reports do not count as known. */
  readonly suspendedMs: number;
  /** Milliseconds without progress of an offer after which the connection is too slow. */
  readonly stallMs: number;
  /** Most bytes that may wait for a connection in addition to the offer in flight. */
  readonly maxBufferedBytes: number;
  /** Most bytes of offers in flight to all agents. */
  readonly maxOfferBytes: number;
  /** Most bytes of a frame. */
  readonly maxFrameBytes: number;
  readonly agent: AgentLimits;
  readonly listener: ListenerLimits;
}

/** Version of the hub, and the limits of delivery. */
export interface DeliveryOptions {
  /** Version of the hub, for the welcome. */
  readonly version: string;
  readonly limits: DeliveryLimits;
}

/** Class of an agent's reason to refuse a revision; there are few. */
export type NackClass = 'untrusted' | 'invalid' | 'incomplete';

/** Metrics of connections, offers, refusals and reports. */
export interface DeliveryMetrics {
  connected(count: number): void;
  offered(): void;
  nacked(reason: NackClass): void;
  reported(): void;
}

/** Ledger, offers and targets that streams use. */
export interface DeliveryDeps {
  readonly ledger: FleetState & Journal;
  readonly offers: Offers;
  readonly checkpoints: Pick<Checkpoints, 'key' | 'framesFor'>;
  readonly targets: RevisionTargets;
  /** Returns the signed tags about a commit; undefined if none are known. */
  readonly approvals: { of(revision: string): Approvals | undefined };
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: DeliveryMetrics;
}

/** Owner and parts of a connection. */
export interface SessionOwner {
  /** Name of the cluster, proven by the certificate or token of the connection. */
  readonly cluster: string;
  readonly budget: AgentBudget;
  readonly socket: WebSocket;
  /** Connection below the WebSocket. */
  readonly connection: Duplex;
  /** Shared by all agents. */
  readonly handshakeTurns: TurnLimiter;
  /** Shared by all agents: turns in which they are asked for a full report or a list. */
  readonly resyncs: TurnLimiter;
  /** Shared by all agents. */
  readonly offerLimit: OfferLimit;
  /** Shared by all agents. */
  readonly decoder: FrameDecoder;
}

/** Handlers of the start and end of a session. */
export interface SessionHooks<S> {
  /** Called once the agent of the proven cluster was greeted. */
  onReady(session: S): void;
  onClosed(session: S): void;
}
