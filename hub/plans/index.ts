export { type AuditedPlan, Planner } from './planner.ts';
export type { PreviewingAgents } from './workloads.ts';
