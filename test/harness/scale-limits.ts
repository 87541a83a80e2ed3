import type { ObservationLimits } from '../../agent/observation/index.ts';

/**
 * Limits that are shorter or longer by a factor. A pause stays as long: a busy machine must not
 * look like one.
 */
export const scaleLimits = ({ pauseMs, ...limits }: ObservationLimits, factor: number): ObservationLimits => {
  const scaled = Object.fromEntries(Object.entries(limits).map(([name, ms]) => [name, ms * factor])) as typeof limits;
  return { ...scaled, pauseMs };
};
