export { NotKeptError, runAction } from './apply-action.ts';
export { ParametersRenewal } from './parameters-renewal.ts';
export { type DueActions, WriteThrottles } from './throttles.ts';
export { WriteEvents } from './write-events.ts';
export { PRIORITIES, type Write, type WriteOutcome, WritePool } from './write-pool.ts';
export { buildFinalizerWrites, buildStatusWrite, buildWrites, ignoreOutdated, type WriteContext } from './writes.ts';
