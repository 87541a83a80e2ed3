export { effectsOf } from './effects.ts';
export { type FleetState, unknownName } from './fleet.ts';
export { type Effect, type Effects, type NamespaceClass, Plan, planResult } from './plan.ts';
export { MAX_PLAN_BYTES, PlanRequest } from './plan-request.ts';
export { type PlanRow, planNotes, planRows, planVerdict } from './plan-text.ts';
export { OWNER_COLUMNS, ownerRows, WORKLOAD_COLUMNS, workloadRows } from './workload-rows.ts';
export {
  type ClusterWorkloads,
  type NotAnsweredReason,
  WORKLOAD_CLASSES,
  type WorkloadClass,
  type Workloads,
} from './workloads.ts';
