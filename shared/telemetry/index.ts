export * from './active-spans.ts';
export * from './settings.ts';
export * from './telemetry.ts';
export * from './trace-context.ts';
