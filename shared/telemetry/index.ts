export * from './commit-spans.ts';
export type { SpanStarter, Telemetry } from './sdk.ts';
export * from './settings.ts';
export * from './telemetry.ts';
export * from './trace-context.ts';
