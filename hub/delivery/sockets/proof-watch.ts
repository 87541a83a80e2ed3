import { CLOSE_CODES } from '@fso/shared/protocol';
import { type Clock, type Logger, MAX_TIMER_MS } from '@fso/shared/runtime';
import type { Proof } from '../../identity/index.ts';

/** A stream of an agent, as far as its proof can end it. */
export interface ProvenStream {
  readonly cluster: string;
  close(code: number, reason: string): void;
}

/** Ends a stream with the proof that opened it: when that expires, or is revoked. */
export class ProofWatch {
  readonly #stream: ProvenStream;
  readonly #proof: Proof;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #ended = new AbortController();

  constructor(stream: ProvenStream, proof: Proof, { clock, logger }: { readonly clock: Clock; readonly logger: Logger }) {
    this.#stream = stream;
    this.#proof = proof;
    this.#clock = clock;
    this.#logger = logger;
  }

  /**
   * Checks the proof at once, as it may have been revoked while the connection was made, and when
   * it expires.
   */
  start(): void {
    this.recheck();
    void this.#recheckWhenExpired();
  }

  stop(): void {
    this.#ended.abort();
  }

  /** Closes the stream if its proof does not hold any more. */
  recheck(): void {
    const { cluster } = this.#stream;
    this.#closeIfDenied().catch((err: unknown) => {
      this.#logger.error({ err, cluster }, 'proof of a stream cannot be checked');
      this.#stream.close(1011, 'the hub cannot check who this is');
    });
  }

  async #closeIfDenied(): Promise<void> {
    const denial = await this.#proof.recheck();
    if (denial === undefined) return;
    const { reason } = denial;
    this.#logger.warn({ cluster: this.#stream.cluster, reason }, 'stream closed: its proof does not hold any more');
    this.#stream.close(CLOSE_CODES.unauthorized, reason);
  }

  async #recheckWhenExpired(): Promise<void> {
    const { expires } = this.#proof;
    const { signal } = this.#ended;
    while (expires !== undefined && !signal.aborted) {
      const leftMs = expires.getTime() - this.#clock.now().getTime();
      if (leftMs <= 0) return this.recheck();
      await this.#clock.sleep(Math.min(leftMs, MAX_TIMER_MS), signal).catch(() => undefined);
    }
  }
}
