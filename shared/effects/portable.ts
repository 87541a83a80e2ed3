/** Exports that run without Node.js, so that browsers can show plans. */
export { acceptNote } from './acceptance/acceptance-text.ts';
export { type OutcomeRow, outcomeRows, outcomeText, plannedRows } from './acceptance/outcome-text.ts';
export type { BranchList, BranchView, StoredPlanSummary, StoredPlanView } from './acceptance/stored-plan.ts';
export type { Plan } from './plan.ts';
export type { PlanRequest } from './plan-request.ts';
export { type PlanRow, planRows, planVerdict, regionsText, waveRows, wavesNote } from './plan-text.ts';
export { ownerRows } from './workload-rows.ts';
export { type ClusterWorkloads, type TeamWorkloads, WORKLOAD_CLASSES, type WorkloadClass } from './workloads.ts';
