import type { IncomingHttpHeaders } from 'node:http';
import type { Dispatcher } from 'undici';
import { KubeConnectionError } from '../errors.ts';
import { MAX_OBJECT_BYTES, type RawRequest } from '../types.ts';

/** Whole HTTP response. */
export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** Deadline of one request, counted from its start, or with `silenceMs` from its last byte. */
export class Deadline {
  readonly #timer: NodeJS.Timeout;
  readonly #isOfSilence: boolean;
  #isOver: boolean = false;
  /** Called when the time is up. */
  onOver: (() => void) | undefined;

  constructor({ silenceMs, timeoutMs }: RawRequest, defaultMs: number) {
    this.#isOfSilence = silenceMs !== undefined;
    this.#timer = setTimeout(() => this.#end(), silenceMs ?? timeoutMs ?? defaultMs);
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  noteByte(): void {
    if (this.#isOfSilence) this.#timer.refresh();
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  #end(): void {
    this.#isOver = true;
    this.onOver?.();
  }
}

/** Signal and deadline that end a request. */
export interface Limits {
  readonly signal: AbortSignal;
  readonly deadline: Deadline;
}

/** Abort reason of a request that exceeded its deadline. */
export const DEADLINE_PASSED: Error = new Error('the time is up');

/**
 * Collects a whole response. undici's `request` creates a stream and signals for each request,
 * which takes 40 % of the CPU time of a small one.
 */
export class ResponseCollector implements Dispatcher.DispatchHandler {
  readonly #request: RawRequest;
  readonly #limits: Limits;
  readonly #done = Promise.withResolvers<Answer>();
  readonly #chunks: Buffer[] = [];
  readonly #onAbort = (): void => this.#end(this.#limits.signal.reason as Error);
  #controller: Dispatcher.DispatchController | undefined;
  #ended: Error | undefined;
  #bytes: number = 0;
  #head: Pick<Answer, 'status' | 'headers'> = { status: 0, headers: {} };

  constructor(request: RawRequest, limits: Limits) {
    const { signal, deadline } = limits;
    this.#request = request;
    this.#limits = limits;
    signal.addEventListener('abort', this.#onAbort, { once: true });
    deadline.onOver = () => this.#end(DEADLINE_PASSED);
  }

  /**
   * @throws the signal's reason; KubeConnectionError if the response is too large; errors of
   * undici; any error once the time is up
   */
  async answer(): Promise<Answer> {
    try {
      return await this.#done.promise;
    } finally {
      this.#limits.signal.removeEventListener('abort', this.#onAbort);
    }
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    // The request ended while it waited for a free connection. That connection is lost, as for a
    // request that ends while in flight.
    if (this.#ended !== undefined) controller.abort(this.#ended);
  }

  onResponseStart(_controller: Dispatcher.DispatchController, status: number, headers: IncomingHttpHeaders): void {
    this.#head = { status, headers };
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    const { method, path, maxBytes = MAX_OBJECT_BYTES } = this.#request;
    this.#limits.deadline.noteByte();
    this.#bytes += chunk.byteLength;
    this.#chunks.push(chunk);
    if (this.#bytes <= maxBytes) return;
    const message = `${method} ${path}: the response has more than ${maxBytes} bytes`;
    this.#end(new KubeConnectionError(message, { tooLarge: true, request: { method, path } }));
  }

  onResponseEnd(): void {
    this.#done.resolve({ ...this.#head, body: Buffer.concat(this.#chunks).toString('utf8') });
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.#done.reject(error);
  }

  #end(error: Error): void {
    this.#ended = error;
    this.#done.reject(error);
    this.#controller?.abort(error);
  }
}
