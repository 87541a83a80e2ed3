export type { StreamState } from './connection.ts';
export { startStream } from './stream.ts';
export { explainTls, isOtherCa } from './tls-errors.ts';
