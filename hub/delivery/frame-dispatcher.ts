import type { AgentFrame } from '@fso/shared/protocol';
import { type Frame, type FrameContext, takeAck, takeNack } from './frame-handlers.ts';
import type { Hello } from './hello.ts';
import type { Inspections } from './inspections.ts';
import { takeListed } from './reports/lists.ts';
import { isDiverged, isIncomplete } from './reports/resync.ts';
import { takeDigest, takeReport } from './reports/take-report.ts';

/** Handlers of answers to the hub's questions, and of errors. */
export interface FrameDispatcherOptions {
  readonly inspections: Inspections;
  /** Called with the error of a frame that could not be handled. */
  readonly onFailure: (err: unknown) => void;
  /** Called with the error of a failed ledger write that the stream does not depend on. */
  readonly onWriteFailure: (err: unknown) => void;
}

/** Dispatches the frames of a greeted agent to their handlers. */
export class FrameDispatcher {
  readonly #context: FrameContext;
  readonly #options: FrameDispatcherOptions;
  /** Whether the agent has reported after its welcome. */
  #hasReported: boolean = false;
  #onFirstReport: (() => void) | undefined;
  /** Resolves once the last ack is written, or cannot be. */
  #acked: Promise<void> = Promise.resolve();

  constructor(context: FrameContext, options: FrameDispatcherOptions) {
    this.#context = context;
    this.#options = options;
  }

  /** Sets what is called once the agent has reported after its welcome. */
  onFirstReport(call: () => void): void {
    this.#onFirstReport = call;
  }

  /** Handles a frame. @throws whatever the ledger throws */
  async take(frame: Exclude<AgentFrame, Hello>): Promise<void> {
    const { state } = this.#context;
    switch (frame.type) {
      case 'ack':
        state.commits.hasAnswered = true;
        return this.#takeAck(frame);
      case 'nack':
        state.commits.hasAnswered = true;
        return this.takeNack(frame);
      case 'report':
        await this.#takeReport(frame);
        break;
      case 'digest':
        await takeDigest(frame, this.#context);
        break;
      case 'inspected':
      case 'located':
      case 'previewed':
        return this.#options.inspections.take(frame);
      case 'listed':
        return takeListed(frame, this.#context);
    }
    // An agent that is to send a full report has not reported its current state yet. It has a turn
    // of its own for that, so that the next agent gets its place among the handshakes.
    if (!isIncomplete(this.#context)) await this.#noteConfirmed(frame);
    this.#hasReported = true;
    this.#onFirstReport?.();
    this.#onFirstReport = undefined;
  }

  /**
   * Takes a nack once the ack before it is in the ledger, which decides whether a refusal is new.
   */
  async takeNack(frame: Frame<'nack'>): Promise<void> {
    await this.#acked;
    return takeNack(frame, this.#context);
  }

  async #takeReport(frame: Frame<'report'>): Promise<void> {
    const taken = takeReport(frame, this.#context);
    if (frame.ack !== undefined) {
      this.#context.state.commits.hasAnswered = true;
      this.#acked = taken.catch(() => undefined);
    }
    await taken;
  }

  /**
   * Takes an ack. As no answer follows it, the report after it does not wait for its write, and
   * goes into the same transaction.
   */
  async #takeAck(frame: Frame<'ack'>): Promise<void> {
    await this.#acked;
    if (!this.#context.stream.isOpen()) return;
    this.#acked = takeAck(frame, this.#context).catch((err: unknown) => this.#options.onFailure(err));
    // While nothing can be written, no agent has more than one write waiting.
    if (!this.#context.deps.ledger.health().ok) await this.#acked;
  }

  /**
   * Records that the agent has reported its current state: by a report that completes the hub's
   * record, or by a digest. A digest as the first frame does not count, as it is of the state in
   * which the previous stream ended. A failed write is repeated with the next frame.
   */
  async #noteConfirmed(frame: Exclude<AgentFrame, Hello>): Promise<void> {
    const { cluster, stream, state, deps } = this.#context;
    const { reports } = state;
    if (reports.isConfirmed) return;
    const isCurrent = frame.type === 'report' ? !isDiverged(await deps.ledger.cluster(cluster)) : this.#hasReported;
    if (!isCurrent || !stream.isOpen()) return;
    reports.isConfirmed = true;
    deps.ledger.confirmStream(cluster, stream).catch((err: unknown) => {
      reports.isConfirmed = false;
      this.#options.onWriteFailure(err);
    });
  }
}
