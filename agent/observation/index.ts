export type { Claim } from './evidence.ts';
export { OBSERVATION_LIMITS, type ObservationLimits } from './limits.ts';
export type { KindState } from './observation.ts';
export { Observer } from './observer.ts';
export type { RoundParts } from './round-parts.ts';
