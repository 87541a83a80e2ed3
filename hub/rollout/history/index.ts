export { createActivity } from './activity.ts';
export { newVisit, type StoredVisit } from './rollout-record.ts';
export { COMMIT_KIND, readVisit, readVisits, visitAt, writeVisit } from './rollout-store.ts';
export { createTrendRecorder, pointOf, readTrend, TREND_DAYS } from './trend.ts';
export * from './views.ts';
