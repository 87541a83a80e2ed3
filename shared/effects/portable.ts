/** The part of this folder that runs without Node.js: browsers, too, show plans with it. */
export { acceptNote } from './acceptance/acceptance-text.ts';
export { type OutcomeRow, outcomeRows, outcomeText, plannedRows } from './acceptance/outcome-text.ts';
export type { BranchList, BranchView, StoredPlanSummary, StoredPlanView } from './acceptance/stored-plan.ts';
export type { Plan } from './plan.ts';
export type { PlanRequest } from './plan-request.ts';
export { type PlanRow, planRows, planVerdict, regionsText, waveRows, wavesNote } from './plan-text.ts';
export { ownerRows } from './workload-rows.ts';
export { type ClusterWorkloads, type TeamWorkloads, WORKLOAD_CLASSES, type WorkloadClass } from './workloads.ts';
