import type { ObservationLimits } from '../../agent/observation/index.ts';

/**
 * Scales limits by a factor. The pause stays the same: with a shorter one a busy machine would
 * count as paused.
 */
export const scaleLimits = ({ pauseMs, ...limits }: ObservationLimits, factor: number): ObservationLimits => {
  const scaled = Object.fromEntries(Object.entries(limits).map(([name, ms]) => [name, ms * factor])) as typeof limits;
  return { ...scaled, pauseMs };
};
