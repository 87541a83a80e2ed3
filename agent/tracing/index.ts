export type { CommitTrace } from './commit-trace.ts';
export { startTracing } from './start-tracing.ts';
