export { createAlarm } from '../../shared/runtime/alarm.ts';
export * from './policy-documents.ts';
export * from './source.ts';
export * from './types.ts';
