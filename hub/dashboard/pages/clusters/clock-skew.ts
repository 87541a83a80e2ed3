import { duration } from '../../lib/time.ts';

/** From here on the agent itself speaks of it, by the event ClockSkewed. */
const FAR_MS = 30_000;
/** Below it, the way of the message explains it. */
const NEAR_MS = 1_000;

export const isSkewed = (skewMs: number | null): skewMs is number => skewMs !== null && Math.abs(skewMs) >= FAR_MS;

/** @param skewMs by how much the agent's clock is ahead; null: not known */
export const skewText = (skewMs: number | null): string => {
  if (skewMs === null) return 'not known';
  if (Math.abs(skewMs) < NEAR_MS) return 'agrees with the hub';
  return `${duration(Math.abs(skewMs))} ${skewMs > 0 ? 'ahead of' : 'behind'} the hub`;
};
