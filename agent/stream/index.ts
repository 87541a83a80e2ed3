export { type Stream, startStream } from './stream.ts';
