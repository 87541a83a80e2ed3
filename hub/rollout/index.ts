export { Activity } from './history/activity.ts';
export { type ClusterSteps, packSteps, unpackSteps } from './history/cluster-steps.ts';
export type { CommitTracer } from './history/commit-tracer.ts';
export { createRolloutRecord, type RolloutRecord } from './history/rollout-record.ts';
export { COMMIT_KIND, readRollout, readRolloutSlot, readRollouts, writeRollout } from './history/rollout-store.ts';
export { createTrendRecorder, pointOf, readTrend, TREND_DAYS } from './history/trend.ts';
export * from './history/views.ts';
export { compileDesired, Pipeline } from './pipeline.ts';
export { startTracing } from './start-tracing.ts';
