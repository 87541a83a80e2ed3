export type { RepositoryBranches } from './branch-plans.ts';
export { type AuditedPlan, type PlanCaller, Planner } from './planner.ts';
export type { PlanRefusal } from './read-request.ts';
export type { PreviewingAgents } from './workloads.ts';
