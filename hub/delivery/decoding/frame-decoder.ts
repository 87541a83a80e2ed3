import { availableParallelism, totalmem } from 'node:os';
import { getHeapStatistics } from 'node:v8';
import { type Clock, ThreadSlices } from '@fso/shared/runtime';
import { type DecoderLimits, DecoderPool, FrameTooExpensiveError, YOUNG_MIB } from './decoder-pool.ts';
import { decodeMetered, type MeteredFrame, unpackFrame } from './packed-frame.ts';

/** Bounds of decoding, on this thread and on others. */
export interface FrameDecoderLimits extends DecoderLimits {
  /** Size up to which frames are decoded on this thread. */
  readonly inlineBytes: number;
}

const MIB = 1024 * 1024;

/** The resources that bound the number of threads. */
export interface DecoderMachine {
  readonly cores: number;
  /** Bytes that the process may have. */
  readonly memory: number;
  /** Largest heap of the main thread, in bytes. */
  readonly mainHeap: number;
}

/**
 * Computes how many threads may decode frames.
 *
 * @returns threads whose heaps fit into the memory beside that of the main thread: one in any case,
 * two at most
 */
export const decoderThreadsFor = ({ cores, memory, mainHeap }: DecoderMachine, heapMiB: number): number =>
  Math.max(1, Math.min(2, cores - 1, Math.floor((memory - mainHeap) / ((heapMiB + YOUNG_MIB) * MIB))));

const thisMachine = (): DecoderMachine => ({
  cores: availableParallelism(),
  // `constrainedMemory` returns 0 without a bound, or a bound above what there is.
  memory: Math.min(process.constrainedMemory() || totalmem(), totalmem()),
  mainHeap: getHeapStatistics().heap_size_limit,
});

const HEAP_MIB = 192;

/**
 * Default limits. The worst frame of 64 KiB takes less than 50 ms, one of 256 KiB may take 170 ms.
 * The heap of a thread holds what JSON.parse makes of any frame that the codec accepts, because
 * running out of it inside JSON.parse ends the whole process.
 */
export const FRAME_DECODER_LIMITS: FrameDecoderLimits = {
  inlineBytes: 64 * 1024,
  threads: decoderThreadsFor(thisMachine(), HEAP_MIB),
  heapMiB: HEAP_MIB,
  cpuMs: 2_000,
};

/** Returns the bytes in a buffer of their own, which can be transferred to another thread. */
const detachable = ({ buffer, byteOffset, byteLength }: Buffer): Uint8Array<ArrayBuffer> => {
  const isWhole = buffer instanceof ArrayBuffer && buffer.byteLength === byteLength;
  return isWhole ? new Uint8Array(buffer) : new Uint8Array(buffer, byteOffset, byteLength).slice();
};

/** Size up to which a frame is decoded when it arrives: it takes a millisecond at most. */
const SMALL_BYTES = 4 * 1024;

/**
 * Decodes frames of agents: small ones at once, others in time slices of this thread, as those of
 * many agents may arrive in one turn of the event loop, and large ones on other threads.
 */
export class FrameDecoder {
  readonly #limits: FrameDecoderLimits;
  readonly #pool: DecoderPool;
  readonly #slices: ThreadSlices;

  constructor(clock: Clock, limits: FrameDecoderLimits = FRAME_DECODER_LIMITS) {
    this.#limits = limits;
    this.#slices = new ThreadSlices(() => clock.monotonicMs());
    this.#pool = new DecoderPool(limits, clock);
  }

  /** Number of threads that are running. */
  get threads(): number {
    return this.#pool.size;
  }

  /**
   * @param data must not be used afterwards
   * @throws the signal's reason when it aborts before the frame is decoded
   */
  async decode(data: Buffer, signal: AbortSignal): Promise<MeteredFrame> {
    const { byteLength } = data;
    if (byteLength > this.#limits.inlineBytes) return this.#decodeElsewhere(data, signal);
    return byteLength <= SMALL_BYTES ? decodeMetered(data) : this.#decodeInTurn(data, signal);
  }

  async #decodeElsewhere(data: Buffer, signal: AbortSignal): Promise<MeteredFrame> {
    try {
      return await unpackFrame(await this.#pool.decode(detachable(data), signal));
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof FrameTooExpensiveError)) throw error;
      const decoded = { ok: false, error: `the frame cannot be decoded: ${error.message}` } as const;
      return { decoded, cpuMs: this.#limits.cpuMs, isTooExpensive: true };
    }
  }

  #decodeInTurn(data: Buffer, signal: AbortSignal): Promise<MeteredFrame> {
    return this.#slices.run(() => {
      signal.throwIfAborted();
      return decodeMetered(data);
    });
  }

  /** Ends the threads. */
  close(): Promise<void> {
    return this.#pool.close();
  }
}
