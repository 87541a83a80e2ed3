export { createActivity } from './activity.ts';
export { createRolloutRecord, type RolloutRecord } from './rollout-record.ts';
export { COMMIT_KIND, readRollout, readRolloutSlot, readRollouts, writeRollout } from './rollout-store.ts';
export { createTrendRecorder, pointOf, readTrend, TREND_DAYS } from './trend.ts';
export * from './views.ts';
