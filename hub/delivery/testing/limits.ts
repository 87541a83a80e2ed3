import { DEFAULT_AGENT_LIMITS } from '../pacing/agent-budget.ts';
import { DEFAULT_LISTENER_LIMITS } from '../sockets/agent-server.ts';
import type { DeliveryLimits } from '../types.ts';

/** Limits that a test reaches with a few agents, and times that no test waits for. */
export const SMALL_LIMITS: DeliveryLimits = {
  helloMs: 60_000,
  maxSilent: 2,
  maxGreeted: 2,
  maxResyncs: 2,
  maxWaiting: 2,
  heartbeatMs: 60_000,
  ages: { partMs: 75_000, kindMs: 165_000 },
  suspendedMs: 45_000,
  stallMs: 60_000,
  maxBufferedBytes: 1024,
  maxOfferBytes: 1024,
  maxFrameBytes: 65_536,
  agent: DEFAULT_AGENT_LIMITS,
  listener: DEFAULT_LISTENER_LIMITS,
};
