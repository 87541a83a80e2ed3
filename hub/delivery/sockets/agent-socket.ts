import type { Clock } from '@fso/shared/runtime';
import type WebSocket from 'ws';

/** Longest time of a closing handshake, in milliseconds. */
const CLOSE_MS = 1_000;
/** RFC 6455: the reason of a close frame has at most 123 bytes. */
const MAX_CLOSE_REASON_BYTES = 123;

const truncateReason = (reason: string): string => {
  const bytes = Buffer.from(reason);
  return bytes.length <= MAX_CLOSE_REASON_BYTES
    ? reason
    : `${bytes
        .subarray(0, MAX_CLOSE_REASON_BYTES - 6)
        .toString('utf8')
        .replace(/\uFFFD+$/, '')}...`;
};

/**
 * Whether the peer broke the protocol, such as by too large a frame, in contrast to a connection
 * that broke.
 */
export const isProtocolError = (error: Error): boolean => String(Reflect.get(error, 'code')).startsWith('WS_ERR_');

/**
 * The WebSocket of one agent. It handles one frame at a time, and bounds the time of a closing
 * handshake.
 */
export class AgentSocket {
  readonly #socket: WebSocket;
  readonly #clock: Clock;
  readonly #closing = new AbortController();
  /**
   * Number of frames that are not handled yet. Meanwhile the socket is paused, so that it reads
   * neither pings nor pongs of the agent.
   */
  #pending = 0;
  #queue = Promise.resolve();

  constructor(socket: WebSocket, clock: Clock) {
    this.#socket = socket;
    this.#clock = clock;
    socket.on('close', () => this.#closing.abort());
  }

  get isOpen(): boolean {
    return this.#socket.readyState === this.#socket.OPEN;
  }

  /** Whether frames are under way. */
  get isBusy(): boolean {
    return this.#pending > 0;
  }

  /** Aborted once the connection is closed. */
  get closed(): AbortSignal {
    return this.#closing.signal;
  }

  close(code: number, reason: string): void {
    this.#socket.close(code, truncateReason(reason));
    this.#clock.sleep(CLOSE_MS, this.closed).then(
      () => this.#socket.terminate(),
      () => undefined,
    );
  }

  /** Waits a number of milliseconds. @throws the reason of {@link closed} */
  async pace(ms: number): Promise<void> {
    if (ms > 0) await this.#clock.sleep(ms, this.closed);
  }

  /**
   * Runs work in the order of the calls, one at a time. The socket is paused meanwhile, so that
   * nothing piles up here.
   *
   * @param onError gets what the work throws; must not throw
   */
  enqueue(work: () => Promise<void>, onError: (error: unknown) => void): void {
    this.#pending += 1;
    this.#socket.pause();
    this.#queue = this.#queue
      .then(work)
      .catch(onError)
      .finally(() => {
        this.#pending -= 1;
        // More is read only when all frames that were read together are handled: small frames must
        // not pile up faster than they are handled.
        if (this.#pending === 0) this.#socket.resume();
      });
  }
}
