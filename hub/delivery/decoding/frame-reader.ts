import { type AgentFrame, CLOSE_CODES } from '@fso/shared/protocol';
import { type FrameContext, logLimited } from '../frame-handlers.ts';
import { noteMended } from '../reports/take-report.ts';
import type { FrameDecoder } from './frame-decoder.ts';

/**
 * Strikes for a frame that took a shared thread 2 s: they keep its agent away for half a minute.
 */
const EXPENSIVE_STRIKES = 6;

/** Reads the frames of one agent, and ends its stream at one that cannot be read. */
export class FrameReader {
  readonly #context: FrameContext;
  readonly #decoder: FrameDecoder;
  readonly #close: (code: number, reason: string) => void;

  constructor(context: FrameContext, decoder: FrameDecoder, close: (code: number, reason: string) => void) {
    this.#context = context;
    this.#decoder = decoder;
    this.#close = close;
  }

  /**
   * @returns undefined if the frame cannot be read, or the stream has ended
   * @throws as {@link FrameDecoder.decode}
   */
  async read(data: Buffer, isBinary: boolean): Promise<AgentFrame | undefined> {
    const { stream, closed, budget } = this.#context;
    if (!stream.isOpen()) return undefined;
    if (isBinary) return this.#refuse('frames are text', 1);
    const { decoded, cpuMs, isTooExpensive = false } = await this.#decoder.decode(data, closed);
    budget.spendCpu(cpuMs);
    if (!decoded.ok) return this.#refuse(decoded.error, isTooExpensive ? EXPENSIVE_STRIKES : 1);
    noteMended(decoded, this.#context);
    return decoded.frame;
  }

  /**
   * Closes the stream. A frame that cannot be read costs the hub as much as any, so the agent is
   * kept away for a while.
   */
  #refuse(reason: string, strikes: number): undefined {
    logLimited(this.#context, 'warn', { reason }, 'bad frame');
    this.#context.budget.strikes.add(strikes);
    this.#close(CLOSE_CODES.badFrame, reason);
  }
}
