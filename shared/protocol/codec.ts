import { z } from 'zod';
import { AgentFrame, HubFrame, MAX_FRAME_BYTES } from './frames.ts';

/** What a WebSocket hands over as a message. */
export type FrameData = string | Uint8Array | ArrayBuffer | readonly Uint8Array[];

export type Decoded<F> = { readonly ok: true; readonly frame: F } | { readonly ok: false; readonly error: string };

/** Longest explanation of a refused frame; a frame can be wrong in thousands of places. */
const MAX_ERROR_LENGTH = 2000;

export const encodeFrame = (frame: AgentFrame | HubFrame): string => JSON.stringify(frame);

/** Reads a frame that an agent sent. Never throws. */
export const decodeAgentFrame = (data: FrameData): Decoded<AgentFrame> => decode(AgentFrame, data);

/** Reads a frame that a hub sent. Never throws. */
export const decodeHubFrame = (data: FrameData): Decoded<HubFrame> => decode(HubFrame, data);

const decode = <F>(schema: z.ZodType<F>, data: FrameData): Decoded<F> => {
  const size = sizeOf(data);
  if (size > MAX_FRAME_BYTES) return refuse(`the frame has ${size} bytes, more than the ${MAX_FRAME_BYTES} that are accepted`);
  let value: unknown;
  try {
    value = JSON.parse(textOf(data));
  } catch (error) {
    return refuse(`the frame is not JSON in UTF-8: ${error instanceof Error ? error.message : String(error)}`);
  }
  const parsed = schema.safeParse(value);
  return parsed.success ? { ok: true, frame: parsed.data } : refuse(z.prettifyError(parsed.error));
};

const refuse = (error: string): { ok: false; error: string } => ({ ok: false, error: error.slice(0, MAX_ERROR_LENGTH) });

const isChunks = (data: FrameData): data is readonly Uint8Array[] => Array.isArray(data);

const sizeOf = (data: FrameData): number => {
  if (typeof data === 'string') return Buffer.byteLength(data);
  return isChunks(data) ? data.reduce((sum, chunk) => sum + chunk.byteLength, 0) : data.byteLength;
};

const textOf = (data: FrameData): string => {
  if (typeof data === 'string') return data;
  const bytes = isChunks(data) ? Buffer.concat(data) : data;
  return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
};
