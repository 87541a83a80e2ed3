import { MAX_FRAME_BYTES } from '@fso/shared/protocol';
import { DEFAULT_AGENT_LIMITS } from '../pacing/agent-budget.ts';
import type { DeliveryLimits } from '../types.ts';
import { DEFAULT_LISTENER_LIMITS } from './agent-server.ts';

/** Limits of delivery in production; tests set smaller ones. */
export const DEFAULT_DELIVERY_LIMITS: DeliveryLimits = {
  helloMs: 10_000,
  maxSilent: 4,
  maxGreeted: 32,
  maxResyncs: 32,
  // At 25 ms each, less than the two minutes for which an agent waits.
  maxWaiting: 4_096,
  heartbeatMs: 15_000,
  // The limits by which agents call their own parts out of date, 30 s and 120 s, plus three pings.
  ages: { partMs: 75_000, kindMs: 165_000 },
  suspendedMs: 45_000,
  stallMs: 30_000,
  maxBufferedBytes: 4 * 1024 * 1024,
  maxOfferBytes: 32 * 1024 * 1024,
  maxFrameBytes: MAX_FRAME_BYTES,
  agent: DEFAULT_AGENT_LIMITS,
  listener: DEFAULT_LISTENER_LIMITS,
};
