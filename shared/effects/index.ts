export { ACCEPT_EFFECTS, Acceptance, MAX_PLAN_ID, PLAN_DAYS, PlanId } from './acceptance/acceptance.ts';
export { beyondAccepted } from './acceptance/beyond.ts';
export { changesSince } from './acceptance/changes-since.ts';
export { OUTCOME_COLUMNS, outcomeRows, outcomeText, plannedRows } from './acceptance/outcome-text.ts';
export { type ClassOutcome, type ClusterOutcome, PlanOutcome, type ReportedOwners, type UnknownReason } from './acceptance/plan-outcome.ts';
export { BranchName, type BranchTip, type PlannedBranch, type SincePlan } from './acceptance/planned-branch.ts';
export { isPattern, namedClusters, PatternDigest, PlannedEffects, plannedEffects } from './acceptance/planned-effects.ts';
export {
  BranchList,
  type BranchView,
  MAX_BRANCHES,
  StoredEffects,
  StoredPlan,
  StoredPlanPage,
  StoredPlanSummary,
  StoredPlanView,
} from './acceptance/stored-plan.ts';
export { type ComparedFleets, compareFleets, effectsOf } from './effects.ts';
export { type CommittedCluster, committedClusters, digestOfFleet, type FleetState, unknownName } from './fleet.ts';
export { type Effect, type Effects, type NamespaceClass, Plan, planResult } from './plan.ts';
export { MAX_BRANCH_REQUEST_BYTES, MAX_PLAN_BYTES, PlanRequest } from './plan-request.ts';
export {
  beyondLines,
  type PlanRow,
  planNotes,
  planRows,
  planVerdict,
  regionsText,
  sinceLines,
  WAVE_COLUMNS,
  waveRows,
} from './plan-text.ts';
export { digestOfPatterns, patternsOf, rulesOf } from './rules.ts';
export { OWNER_COLUMNS, ownerRows, WORKLOAD_COLUMNS, workloadRows } from './workload-rows.ts';
export {
  type ClusterWorkloads,
  classesByTeam,
  type NotAnsweredReason,
  WORKLOAD_CLASSES,
  type WorkloadClass,
  type Workloads,
} from './workloads.ts';
