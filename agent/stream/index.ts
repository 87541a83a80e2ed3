export type { StreamState } from './connection.ts';
export { type StreamDeps, startStream } from './stream.ts';
export { explainTls, isOtherCa } from './tls-errors.ts';
