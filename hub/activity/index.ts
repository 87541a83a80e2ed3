export { createActivity } from './activity.ts';
export { createTrendRecorder, pointOf, readTrend, TREND_DAYS } from './trend.ts';
export * from './views.ts';
export { newVisit, type StoredVisit } from './visit.ts';
export { COMMIT_KIND, readVisit, readVisits, visitAt, writeVisit } from './visit-records.ts';
