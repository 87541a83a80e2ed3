export { effectsOf } from './effects.ts';
export type { FleetState } from './fleet.ts';
export { type Effect, type Effects, type NamespaceClass, Plan, planResult } from './plan.ts';
