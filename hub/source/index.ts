export { createAlarm } from './alarm.ts';
export { BusyError } from './bounded-turns.ts';
export * from './policy-documents.ts';
export * from './source.ts';
export * from './types.ts';
