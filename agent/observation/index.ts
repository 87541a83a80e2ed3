export { type Claim, EVIDENCE } from './evidence.ts';
export { OBSERVATION_LIMITS, type ObservationLimits, scaleLimits } from './limits.ts';
export { ClusterObservation, type KindState } from './observation.ts';
export { ObservationWatch } from './observation-watch.ts';
export { RoundParts } from './round-parts.ts';
