export { Acceptance, MAX_PLAN_ID, PLAN_DAYS, PlanId } from './acceptance/acceptance.ts';
export { beyondAccepted } from './acceptance/beyond.ts';
export { changesSince } from './acceptance/changes-since.ts';
export { BranchName, type BranchTip, type PlannedBranch, type SincePlan } from './acceptance/planned-branch.ts';
export { PatternDigest, PlannedEffects, plannedEffects } from './acceptance/planned-effects.ts';
export {
  BranchList,
  type BranchView,
  MAX_BRANCHES,
  StoredEffects,
  StoredPlan,
  StoredPlanPage,
  StoredPlanSummary,
} from './acceptance/stored-plan.ts';
export { type ComparedFleets, compareFleets, effectsOf } from './effects.ts';
export { type FleetState, unknownName } from './fleet.ts';
export { type Effect, type Effects, type NamespaceClass, Plan, planResult } from './plan.ts';
export { MAX_BRANCH_REQUEST_BYTES, MAX_PLAN_BYTES, PlanRequest } from './plan-request.ts';
export { beyondLines, type PlanRow, planNotes, planRows, planVerdict, sinceLines } from './plan-text.ts';
export { OWNER_COLUMNS, ownerRows, WORKLOAD_COLUMNS, workloadRows } from './workload-rows.ts';
export {
  type ClusterWorkloads,
  classesByTeam,
  type NotAnsweredReason,
  WORKLOAD_CLASSES,
  type WorkloadClass,
  type Workloads,
} from './workloads.ts';
