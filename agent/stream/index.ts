export type { StreamState } from './state.ts';
export { type Stream, type StreamConfig, type StreamOptions, startStream } from './stream.ts';
