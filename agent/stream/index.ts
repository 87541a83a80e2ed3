export { explainTls } from './connection.ts';
export { startStream } from './stream.ts';
