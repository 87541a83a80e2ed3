import { CLOSE_CODES } from '@fso/shared/protocol';
import type { Logger } from '@fso/shared/runtime';
import type { Proof } from '../../identity/index.ts';

/** A stream of an agent that ends with its proof. */
export interface ProvenStream {
  readonly cluster: string;
  close(code: number, reason: string): void;
}

/** Ends a stream when the proof that opened it expires, or is revoked. */
export class ProofWatch {
  readonly #stream: ProvenStream;
  readonly #proof: Proof;
  readonly #logger: Logger;
  /** Milliseconds since 1970; infinite if the proof never expires, or its expiry was checked. */
  #expiresMs: number;

  constructor(stream: ProvenStream, proof: Proof, logger: Logger) {
    this.#stream = stream;
    this.#proof = proof;
    this.#logger = logger;
    this.#expiresMs = proof.expires?.getTime() ?? Number.POSITIVE_INFINITY;
  }

  /** Closes the stream if its proof does not hold any more. */
  recheck(): void {
    const { cluster } = this.#stream;
    this.#closeIfDenied().catch((err: unknown) => {
      this.#logger.error({ err, cluster }, 'proof of a stream cannot be checked');
      this.#stream.close(1011, 'the hub cannot check who this is');
    });
  }

  /**
   * Checks the proof once it has expired. To be called about once a second: a timer for each of
   * thousands of streams takes a kilobyte. @param nowMs milliseconds since 1970
   */
  recheckIfExpired(nowMs: number): void {
    if (nowMs < this.#expiresMs) return;
    this.#expiresMs = Number.POSITIVE_INFINITY;
    this.recheck();
  }

  async #closeIfDenied(): Promise<void> {
    const denial = await this.#proof.recheck();
    if (denial === undefined) return;
    const { reason } = denial;
    this.#logger.warn({ cluster: this.#stream.cluster, reason }, 'stream closed: its proof does not hold any more');
    this.#stream.close(CLOSE_CODES.unauthorized, reason);
  }
}
