import { availableParallelism } from 'node:os';
import type { Clock } from '@fso/shared/runtime';
import { type DecoderLimits, DecoderPool, FrameTooExpensiveError } from './decoder-pool.ts';
import { decodeMetered, type MeteredFrame, unpackFrame } from './packed-frame.ts';

export interface FrameDecoderLimits extends DecoderLimits {
  /** Larger frames are decoded on a thread of their own. */
  readonly inlineBytes: number;
}

/**
 * Whatever a frame of 64 KiB is, it takes less than 50 ms; one of 256 KiB may take 170 ms. What JSON.parse makes of any frame that the codec
 * takes fits into the heap of a thread: where a heap ends while it runs, the process ends.
 */
export const FRAME_DECODER_LIMITS: FrameDecoderLimits = {
  inlineBytes: 64 * 1024,
  threads: Math.max(1, Math.min(2, availableParallelism() - 1)),
  heapMiB: 192,
  cpuMs: 10_000,
};

/** The bytes in a buffer of their own, which can go to another thread. */
const detachable = ({ buffer, byteOffset, byteLength }: Buffer): Uint8Array<ArrayBuffer> => {
  const isWhole = buffer instanceof ArrayBuffer && buffer.byteLength === byteLength;
  return isWhole ? new Uint8Array(buffer) : new Uint8Array(buffer, byteOffset, byteLength).slice();
};

/** Decodes frames of agents: small ones at once, as that costs little whatever they are, large ones on other threads. */
export class FrameDecoder {
  readonly #limits: FrameDecoderLimits;
  readonly #pool: DecoderPool;

  constructor(clock: Clock, limits: FrameDecoderLimits = FRAME_DECODER_LIMITS) {
    this.#limits = limits;
    this.#pool = new DecoderPool(limits, clock);
  }

  /** Threads that there are. */
  get threads(): number {
    return this.#pool.size;
  }

  /**
   * @param data must not be used afterwards
   * @throws the signal's reason when it aborts before the frame is decoded
   */
  async decode(data: Buffer, signal: AbortSignal): Promise<MeteredFrame> {
    if (data.byteLength <= this.#limits.inlineBytes) return decodeMetered(data);
    try {
      return await unpackFrame(await this.#pool.decode(detachable(data), signal));
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof FrameTooExpensiveError)) throw error;
      return { decoded: { ok: false, error: `the frame cannot be decoded: ${error.message}` }, cpuMs: this.#limits.cpuMs };
    }
  }

  /** Ends the threads. */
  close(): Promise<void> {
    return this.#pool.close();
  }
}
