export { explainTls, isOtherCa, type StreamState } from './connection.ts';
export { startStream } from './stream.ts';
