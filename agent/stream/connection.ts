import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import {
  type AgentFrame,
  type Ages,
  CLOSE_CODES,
  decodeHubFrame,
  encodeAges,
  encodeFrame,
  type HubFrame,
  PROTOCOL_VERSION,
} from '@fso/shared/protocol';
import { type Allowance, type Clock, corkForTurn, createAllowance, threadCpuMs, weakMemo } from '@fso/shared/runtime';
import { WebSocket } from 'ws';
import { type ConnectionEnd, endOfClose, endOfError, endOfResponse } from './connection-end.ts';
import { type ClientCertificate, type ConnectionConfig, HANDSHAKE_MS, openHubSocket } from './hub-socket.ts';

/** State of the stream to the hub. */
export type StreamState =
  | { readonly state: 'connecting'; readonly attempt: number }
  | { readonly state: 'connected'; readonly hubVersion: string }
  /** Refused by the hub, which only a change of configuration or version can end. */
  | { readonly state: 'rejected'; readonly reason: string; readonly retryInMs: number }
  /** The hub has a certificate of another CA. */
  | { readonly state: 'untrusted'; readonly reason: string; readonly retryInMs: number }
  | { readonly state: 'disconnected'; readonly reason: string; readonly retryInMs: number };

type Hello = Extract<AgentFrame, { type: 'hello' }>;
type Welcome = Extract<HubFrame, { type: 'welcome' }>;

/** Callbacks of a connection to the hub. */
export interface ConnectionHandlers {
  hello(): Hello;
  /** Ages of the evidence that the reports are based on. */
  ages(): Ages;
  /** Called when the hub has accepted the hello. */
  onWelcome(welcome: Welcome, connection: Connection): void;
  onFrame(frame: Exclude<HubFrame, { type: 'welcome' }>): void;
  /** Called once the hub has caught up after {@link Connection.isBehind}. */
  onDrained?(): void;
}

/**
 * CPU budget for frames of the hub, in milliseconds. The largest offer takes a fraction of the
 * burst.
 */
const FRAME_CPU = { burst: 1_000, perSecond: 200 };

/**
 * Pace at which frames of the hub are read. It outlives connections, so that a hub gains nothing by
 * reconnecting.
 */
export interface ReadPace {
  readonly clock: Clock;
  /** CPU time, in milliseconds. */
  readonly cpu: Allowance;
}

/** Creates the pace at which frames of one hub are read. */
export const createReadPace = (clock: Clock): ReadPace => ({ clock, cpu: createAllowance(clock, FRAME_CPU) });

/** Encodes the policies of a list. Memoized, as the hub may request the same list repeatedly. */
const encodeListed = weakMemo((frame: AgentFrame) => encodeFrame(frame));

const CONNECT_MS = 10_000;
/**
 * Longest wait for the welcome, in ms. A hub whose agents all return at once welcomes them one by
 * one.
 */
const WELCOME_MS = 120_000;
/** Interval of pings, in ms. A connection without a sign of life for twice this time is dead. */
const PING_MS = 25_000;
const NORMAL_CLOSURE = 1000;
/** Unread bytes beyond which reports and answers wait or are dropped. */
const MAX_UNREAD = 1024 * 1024;
/**
 * Unread bytes beyond which the connection ends. Only acknowledgements and refusals can add up to
 * this, and only for a hub that never reads.
 */
const MAX_QUEUED = 32 * 1024 * 1024;

/** WebSocket connection to the hub, from the dial to its end. */
export class Connection {
  readonly #socket: WebSocket;
  /** Connection below the WebSocket, once it is open. */
  #connection: Duplex | undefined;
  readonly #handlers: ConnectionHandlers;
  readonly #clock: Clock;
  readonly #cpu: Allowance;
  readonly #ended = Promise.withResolvers<ConnectionEnd>();
  /** Aborted once the socket is closed. Ends the timers. */
  readonly #closed = new AbortController();
  /** Whether the TCP connection is open. */
  #isReached: boolean = false;
  #welcomed: boolean = false;
  #alive: boolean = true;
  /** Whether the connection is over. Later data is ignored. */
  #over: boolean = false;
  /** Length of the frames that the hub has not read yet, in characters. */
  #unread = 0;

  /** @param certificate replaces the token of `config` */
  constructor(config: ConnectionConfig, handlers: ConnectionHandlers, { clock, cpu }: ReadPace, certificate?: ClientCertificate) {
    this.#handlers = handlers;
    this.#clock = clock;
    this.#cpu = cpu;
    // With a proxy, the tunnel and TLS share the time of the handshake.
    this.#isReached = config.proxy !== undefined;
    this.#socket = openHubSocket(config, certificate, () => {
      this.#isReached = true;
    });
    this.#listen();
  }

  /** Resolves when the connection is over. Never rejects. */
  async ended(signal: AbortSignal): Promise<ConnectionEnd> {
    const stop = (): void => this.close({ kind: 'lost', reason: 'the agent stops' });
    signal.addEventListener('abort', stop, { once: true });
    if (signal.aborted) stop();
    const end = await this.#ended.promise;
    signal.removeEventListener('abort', stop);
    this.#over = true;
    return end;
  }

  /**
   * Answers a question of the hub, which may ask faster than it reads. Drops the answer if too many
   * bytes are unread.
   */
  answer(frame: AgentFrame): void {
    if (this.#socket.bufferedAmount < MAX_UNREAD) this.send(frame);
  }

  /** Whether the hub has so much left to read that a report should wait. */
  get isBehind(): boolean {
    return this.#unread >= MAX_UNREAD;
  }

  send(frame: AgentFrame): void {
    if (this.#socket.readyState !== WebSocket.OPEN) return;
    if (this.#socket.bufferedAmount > MAX_QUEUED) {
      this.#ended.resolve({ kind: 'lost', reason: 'the hub does not read' });
      this.#over = true;
      this.#socket.terminate();
      return;
    }
    const text = frame.type === 'listed' ? encodeListed(frame) : encodeFrame(frame);
    this.#unread += text.length;
    // Writes an ack and the report that it waited for together.
    if (this.#connection !== undefined) corkForTurn(this.#connection);
    this.#socket.send(text, () => {
      const wasBehind = this.isBehind;
      this.#unread -= text.length;
      if (wasBehind && !this.isBehind) this.#handlers.onDrained?.();
    });
  }

  close(end: ConnectionEnd, code: number = NORMAL_CLOSURE): void {
    this.#over = true;
    this.#ended.resolve(end);
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.close(code, end.reason.slice(0, 100));
    else this.#socket.terminate();
    // Terminates a peer that does not answer the close soon, so that no socket is left behind.
    this.#after(1000, () => this.#socket.terminate());
  }

  #giveUp(reason: string): void {
    this.#ended.resolve({ kind: 'lost', reason });
    this.#socket.terminate();
  }

  #listen(): void {
    const socket = this.#socket;
    this.#after(CONNECT_MS, () => {
      if (!this.#isReached) this.#giveUp('the hub cannot be reached');
    });
    // Limits the whole handshake, so that a hub cannot prolong it by responding byte by byte.
    this.#after(HANDSHAKE_MS, () => {
      if (socket.readyState === WebSocket.CONNECTING) this.#giveUp('the hub did not answer the handshake in time');
    });
    socket.on('upgrade', (response) => {
      this.#connection = response.socket;
    });
    socket.on('open', () => {
      this.send(this.#handlers.hello());
      // Sent before the welcome, so that the hub knows the age of the state that this agent
      // reported last.
      this.#sendAges();
      this.#after(WELCOME_MS, () => {
        if (!this.#welcomed) this.close({ kind: 'lost', reason: 'the hub did not answer the hello' });
      });
      this.#keepAlive();
    });
    socket.on('message', (data) => this.#receive(data));
    socket.on('pong', () => {
      this.#alive = true;
    });
    socket.on('ping', () => this.#sendAges());
    socket.on('unexpected-response', (_request, response) => {
      void this.#refused(response);
    });
    const { hostname } = new URL(socket.url);
    socket.on('error', (error) => this.#ended.resolve(endOfError(error, hostname)));
    socket.on('close', (code, reason) => {
      this.#ended.resolve(endOfClose(code, reason));
      this.#closed.abort();
    });
  }

  async #refused(response: IncomingMessage): Promise<void> {
    this.#ended.resolve(await endOfResponse(response));
    this.#socket.terminate();
  }

  #receive(data: Parameters<typeof decodeHubFrame>[0]): void {
    this.#alive = true;
    if (this.#over) return;
    const before = threadCpuMs();
    this.#take(decodeHubFrame(data));
    this.#cpu.charge(threadCpuMs() - before);
    this.#readOnceDue();
  }

  /**
   * Pauses reading until the CPU time of the frames so far is paid for. A hub that sends endlessly
   * must leave time for everything else.
   */
  #readOnceDue(): void {
    const dueInMs = this.#cpu.charge(0);
    if (dueInMs > 0 && !this.#socket.isPaused) {
      this.#socket.pause();
      this.#after(dueInMs, () => this.#readOn());
    }
  }

  #readOn(): void {
    // Frames that arrived meanwhile, including pongs, are still unread.
    this.#alive = true;
    this.#socket.resume();
    this.#readOnceDue();
  }

  #take(decoded: ReturnType<typeof decodeHubFrame>): void {
    const problem = decoded.ok ? this.#handle(decoded.frame) : `the hub sent a bad frame: ${decoded.error}`;
    if (problem !== undefined) this.close({ kind: 'lost', reason: problem }, CLOSE_CODES.badFrame);
  }

  /** @returns the reason why the frame is not allowed at this point; undefined if it is */
  #handle(frame: HubFrame): string | undefined {
    if (frame.type !== 'welcome') {
      if (!this.#welcomed) return `the hub sent ${frame.type} before its welcome`;
      this.#handlers.onFrame(frame);
      return;
    }
    if (this.#welcomed) return 'the hub sent a second welcome';
    if (frame.protocol !== PROTOCOL_VERSION) {
      const reason = `the hub speaks protocol ${frame.protocol}, this agent ${PROTOCOL_VERSION}`;
      this.close({ kind: 'rejected', reason }, CLOSE_CODES.unsupportedProtocol);
      return;
    }
    this.#welcomed = true;
    this.#handlers.onWelcome(frame, this);
  }

  /**
   * Sends the ages in a pong, which may be unsolicited (RFC 6455, 5.5.3). A hub that pings faster
   * than it reads gets no more of them.
   */
  #sendAges(): void {
    const isOpen = this.#socket.readyState === WebSocket.OPEN && this.#socket.bufferedAmount < MAX_UNREAD;
    if (isOpen) this.#socket.pong(encodeAges(this.#handlers.ages()));
  }

  #keepAlive(): void {
    this.#after(PING_MS, () => {
      if (!this.#alive && !this.#socket.isPaused) {
        this.#giveUp('the hub does not answer pings');
        return;
      }
      this.#alive = false;
      if (this.#socket.readyState === WebSocket.OPEN) this.#socket.ping();
      this.#keepAlive();
    });
  }

  #after(ms: number, run: () => void): void {
    // Rejects only when the connection is over. Then there is nothing left to do.
    this.#clock.sleep(ms, this.#closed.signal).then(run, () => undefined);
  }
}
