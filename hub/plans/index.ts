export { type AuditedPlan, type PlanCaller, Planner } from './planner.ts';
export type { PreviewingAgents } from './workloads.ts';
