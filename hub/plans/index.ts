export type { RepositoryBranches } from './branch-plans.ts';
export type { IsChanged } from './match/changed-namespaces.ts';
export type { PlanMatch } from './match/commit-matcher.ts';
export { type AuditedPlan, type FoundPlan, type PlanCaller, Planner } from './planner.ts';
export type { PlanRefusal } from './read-request.ts';
export type { PreviewingAgents } from './workloads.ts';
