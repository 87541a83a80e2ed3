export { effectsOf } from './effects.ts';
export { type FleetState, unknownName } from './fleet.ts';
export { type Effect, type Effects, type NamespaceClass, Plan, planResult } from './plan.ts';
export { MAX_PLAN_BYTES, PlanRequest } from './plan-request.ts';
export {
  type ClusterWorkloads,
  type NotAnsweredReason,
  WORKLOAD_CLASSES,
  type WorkloadClass,
  type Workloads,
  worseOff,
} from './workloads.ts';
