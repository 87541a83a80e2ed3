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
  MAX_HUB_FRAME_BYTES,
  PROTOCOL_VERSION,
  readReturn,
  TRACE_HEADER,
} from '@fso/shared/protocol';
import {
  type Allowance,
  type Clock,
  corkForTurn,
  createAllowance,
  createTlsAgent,
  type ProxyConfig,
  threadCpuMs,
  weakMemo,
} from '@fso/shared/runtime';
import { WebSocket } from 'ws';
import { explainTls, isOtherCa } from './tls-errors.ts';

/** State of the stream to the hub. */
export type StreamState =
  | { readonly state: 'connecting'; readonly attempt: number }
  | { readonly state: 'connected'; readonly hubVersion: string }
  /** Refusal by the hub, which only a change of configuration or version can end. */
  | { readonly state: 'rejected'; readonly reason: string; readonly retryInMs: number }
  /** Hub with a certificate of another CA. */
  | { readonly state: 'untrusted'; readonly reason: string; readonly retryInMs: number }
  | { readonly state: 'disconnected'; readonly reason: string; readonly retryInMs: number };

/** End of a connection, with its reason. */
export interface ConnectionEnd {
  /** `renewed`: the agent has another certificate, and goes on with it at once. */
  readonly kind: 'rejected' | 'untrusted' | 'lost' | 'resend' | 'renewed';
  readonly reason: string;
  /**
   * Milliseconds: a hub that stops, or has too many agents at once, asks them to come back at
   * random moments within this time.
   */
  readonly returnMs?: number | undefined;
}

/** Certificate and key of the agent, and the CA that verifies the hub; PEM. */
export interface ClientCertificate {
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
}

export interface ConnectionConfig {
  readonly hubUrl: string;
  /** Static token; absent: a certificate proves the agent. */
  readonly token?: string;
  /** PEM of the hub's CA; absent: the system's. */
  readonly ca?: string | undefined;
  /** The way to the hub; undefined: direct. */
  readonly proxy?: ProxyConfig | undefined;
  /** Asks the hub for the trace of each commit. */
  readonly isTraced?: boolean;
}

type Hello = Extract<AgentFrame, { type: 'hello' }>;
type Welcome = Extract<HubFrame, { type: 'welcome' }>;

export interface ConnectionHandlers {
  hello(): Hello;
  /** Returns the ages of the evidence that the reports rest on. */
  ages(): Ages;
  /** The hub took the hello. */
  onWelcome(welcome: Welcome, connection: Connection): void;
  onFrame(frame: Exclude<HubFrame, { type: 'welcome' }>): void;
  /** Called once the hub has caught up after {@link Connection.isBehind}. */
  onDrained?(): void;
}

/**
 * CPU time of frames of the hub, in milliseconds. The largest offer takes a fraction of the burst.
 */
const FRAME_CPU = { burst: 1_000, perSecond: 200 };

/**
 * The pace at which frames of the hub are read. It outlives connections, so that to connect again
 * gains a hub nothing.
 */
export interface ReadPace {
  readonly clock: Clock;
  /** CPU time, in milliseconds. */
  readonly cpu: Allowance;
}

export const createReadPace = (clock: Clock): ReadPace => ({ clock, cpu: createAllowance(clock, FRAME_CPU) });

/**
 * Encodes the policies of a list. The hub may request them again and again; the answer is the same
 * object.
 */
const encodeListed = weakMemo((frame: AgentFrame) => encodeFrame(frame));

const STREAM_PATH = '/agent/v1/stream';
const CONNECT_MS = 10_000;
/**
 * Longest handshake, in ms. A hub that gets all of its agents back at once takes their handshakes
 * one after the other.
 */
const HANDSHAKE_MS = 60_000;
/**
 * Longest wait for the welcome, in ms. A hub that gets all of its agents back at once greets them
 * one after the other.
 */
const WELCOME_MS = 120_000;
/** Interval of pings, in ms. Twice this time without a sign of life is a dead connection. */
const PING_MS = 25_000;
const NORMAL_CLOSURE = 1000;
const MAX_REASON = 300;
/** Bytes that the hub has not read yet, beyond which reports and answers wait or are dropped. */
const MAX_UNREAD = 1024 * 1024;
/**
 * Bytes that the hub has not read yet, beyond which the connection ends. Acknowledgements and
 * refusals get here, but only of a hub that never reads.
 */
const MAX_QUEUED = 32 * 1024 * 1024;

/**
 * Parts of one frame. A hub sends an offer in fragments of 64 KiB, of which the largest has 256;
 * each may keep the 64 KiB alive that the socket read it in. A frame that comes in chunks smaller
 * than 512 bytes on average is not waited for.
 */
const MAX_PARTS = { maxFragments: 512, maxBufferedChunks: 32 * 1024 };

const REJECTIONS: readonly number[] = [CLOSE_CODES.unauthorized, CLOSE_CODES.unsupportedProtocol];
const REFUSED_STATUS: readonly (number | undefined)[] = [401, 403];

/** Reads the reason of a refusal from the hub's answer, as far as it fits into a line. */
const readReason = async (response: IncomingMessage): Promise<string> => {
  let text = '';
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      text += chunk.toString('utf8');
      if (text.length > MAX_REASON) break;
    }
  } catch {
    // What came until then is better than nothing.
  }
  return text.slice(0, MAX_REASON).replaceAll(/\s+/g, ' ').trim();
};

const streamUrl = (hubUrl: string): URL => {
  const url = new URL(hubUrl);
  if (url.pathname === '/') url.pathname = STREAM_PATH;
  return url;
};

/** WebSocket connection to the hub, from the dial to its end. */
export class Connection {
  readonly #socket: WebSocket;
  /** The connection below the WebSocket, once it is open. */
  #connection: Duplex | undefined;
  readonly #handlers: ConnectionHandlers;
  readonly #clock: Clock;
  readonly #cpu: Allowance;
  readonly #ended = Promise.withResolvers<ConnectionEnd>();
  /** Aborted once the socket is closed; ends the timers. */
  readonly #closed = new AbortController();
  /** Whether the TCP connection is open. */
  #isReached: boolean = false;
  #welcomed: boolean = false;
  #alive: boolean = true;
  /** Whether the connection is over. What still arrives is ignored. */
  #over: boolean = false;
  /** Length of the frames that the hub has yet to read, in characters. */
  #unread = 0;

  /** @param certificate instead of the token of `config` */
  constructor(config: ConnectionConfig, handlers: ConnectionHandlers, { clock, cpu }: ReadPace, certificate?: ClientCertificate) {
    this.#handlers = handlers;
    this.#clock = clock;
    this.#cpu = cpu;
    this.#socket = new WebSocket(streamUrl(config.hubUrl), {
      headers: {
        ...(config.token !== undefined && { authorization: `Bearer ${config.token}` }),
        ...(config.isTraced === true && { [TRACE_HEADER.name]: TRACE_HEADER.value }),
      },
      ...(config.ca === undefined ? {} : { ca: config.ca }),
      ...certificate,
      ...(config.proxy && { agent: createTlsAgent(config.proxy), handshakeTimeout: HANDSHAKE_MS }),
      maxPayload: MAX_HUB_FRAME_BYTES,
      ...MAX_PARTS,
      perMessageDeflate: false,
      autoPong: false,
      finishRequest: (request) => {
        request.once('socket', (socket) => {
          socket.once('connect', () => {
            this.#isReached = true;
          });
        });
        request.end();
      },
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
   * Answers a question of the hub, which may ask faster than it reads: what does not drain is not
   * added to.
   */
  answer(frame: AgentFrame): void {
    if (this.#socket.bufferedAmount < MAX_UNREAD) this.send(frame);
  }

  /** Whether the hub has yet to read so much that a report should wait. */
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
    // An ack and the report that it waited for are one write.
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
    // Who does not answer the close within a moment is cut off, so that no socket is left behind.
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
    // The whole of it: a hub that answers byte by byte is not waited for.
    this.#after(HANDSHAKE_MS, () => {
      if (socket.readyState === WebSocket.CONNECTING) this.#giveUp('the hub did not answer the handshake in time');
    });
    socket.on('upgrade', (response) => {
      this.#connection = response.socket;
    });
    socket.on('open', () => {
      this.send(this.#handlers.hello());
      // Before the hub takes the hello it knows how old the state is that this agent reported last.
      this.#sayAges();
      this.#after(WELCOME_MS, () => {
        if (!this.#welcomed) this.close({ kind: 'lost', reason: 'the hub did not answer the hello' });
      });
      this.#keepAlive();
    });
    socket.on('message', (data) => this.#receive(data));
    socket.on('pong', () => {
      this.#alive = true;
    });
    socket.on('ping', () => this.#sayAges());
    socket.on('unexpected-response', (_request, response) => {
      void this.#refused(response);
    });
    const { hostname } = new URL(socket.url);
    socket.on('error', (error) =>
      this.#ended.resolve({ kind: isOtherCa(error) ? 'untrusted' : 'lost', reason: explainTls(error, hostname) }),
    );
    socket.on('close', (code, reason) => {
      const rejected = REJECTIONS.includes(code);
      const why = reason.toString('utf8').slice(0, 200);
      this.#ended.resolve({
        kind: rejected ? 'rejected' : 'lost',
        reason: `the hub closed the stream with code ${code}${why && `: ${why}`}`,
        returnMs: readReturn(code, why),
      });
      this.#closed.abort();
    });
  }

  async #refused(response: IncomingMessage): Promise<void> {
    const reason = await readReason(response);
    const kind = REFUSED_STATUS.includes(response.statusCode) ? 'rejected' : 'lost';
    const retryAfter = Number(response.headers['retry-after']);
    this.#ended.resolve({
      kind,
      reason: `the hub answered with HTTP status ${response.statusCode}${reason && `: ${reason}`}`,
      returnMs: Number.isFinite(retryAfter) ? retryAfter * 1000 : undefined,
    });
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
   * Reads no further until the CPU time of the frames so far is paid for: a hub that sends without
   * end must leave time for all else.
   */
  #readOnceDue(): void {
    const dueInMs = this.#cpu.charge(0);
    if (dueInMs > 0 && !this.#socket.isPaused) {
      this.#socket.pause();
      this.#after(dueInMs, () => this.#readOn());
    }
  }

  #readOn(): void {
    // What the hub said meanwhile, pongs among it, is yet to be read.
    this.#alive = true;
    this.#socket.resume();
    this.#readOnceDue();
  }

  #take(decoded: ReturnType<typeof decodeHubFrame>): void {
    const problem = decoded.ok ? this.#handle(decoded.frame) : `the hub sent a bad frame: ${decoded.error}`;
    if (problem !== undefined) this.close({ kind: 'lost', reason: problem }, CLOSE_CODES.badFrame);
  }

  /** @returns the reason why the frame is wrong at this point; undefined: it is right */
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
   * A pong, which may also come unasked (RFC 6455, 5.5.3). A hub that pings faster than it reads
   * gets no more of them.
   */
  #sayAges(): void {
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
    // Rejects only when the connection is over: then there is nothing left to do.
    this.#clock.sleep(ms, this.#closed.signal).then(run, () => undefined);
  }
}
