export { explainTls, isOtherCa } from './connection.ts';
export { startStream } from './stream.ts';
