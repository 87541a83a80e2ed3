import type { IncomingHttpHeaders } from 'node:http';
import { Agent, type Dispatcher, ProxyAgent, request as send } from 'undici';
import { KubeApiError, KubeConnectionError, type RequestSummary, type Status } from '../errors.ts';
import type { RawRequest } from '../types.ts';
import { type CredentialSource, type Credentials, createCredentialSource } from './credentials.ts';
import type { ClusterAccess } from './kubeconfig.ts';

/** Receives the measurements of a client's requests and connections. */
export interface KubeClientMetrics {
  /** `status` is the HTTP status, or `error` when no response arrived. */
  request(fact: { readonly method: string; readonly status: number | 'error'; readonly durationMs: number }): void;
  /** A new TCP (TLS) connection. */
  connection(): void;
}

export interface TransportOptions {
  readonly access: ClusterAccess;
  readonly userAgent: string;
  readonly metrics: KubeClientMetrics | undefined;
  /** Timeout of requests that set none, in ms. */
  readonly timeoutMs: number;
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

type Response = Dispatcher.ResponseData;

/** Shorter than the API server's idle timeout of 90 s, so that it never closes a connection that is about to be used. */
const KEEP_ALIVE_MS = 60_000;
/** Time without a byte after which TCP keep-alive checks whether the other end still exists. */
const TCP_KEEP_ALIVE_MS = 15_000;
const MAX_CONNECTIONS = 256;

const createDispatcher = ({ proxyUrl }: ClusterAccess, { tls }: Credentials): Agent | ProxyAgent => {
  const connect = { ...tls, rejectUnauthorized: true, timeout: 10_000, keepAlive: true, keepAliveInitialDelay: TCP_KEEP_ALIVE_MS };
  const options = {
    connect,
    // Over HTTP/1.1 each watch has a connection of its own, and one that hangs holds up nothing else.
    allowH2: false,
    keepAliveTimeout: KEEP_ALIVE_MS,
    keepAliveMaxTimeout: KEEP_ALIVE_MS,
    connections: MAX_CONNECTIONS,
    bodyTimeout: 0,
  };
  return proxyUrl === undefined ? new Agent(options) : new ProxyAgent({ ...options, uri: proxyUrl, requestTls: connect });
};

const parseStatus = (body: string): Status => {
  try {
    const parsed: unknown = JSON.parse(body);
    if (typeof parsed === 'object' && parsed !== null && 'message' in parsed) return parsed as Status;
  } catch {
    // A proxy or the aggregator may answer in plain text or HTML.
  }
  return { message: body.trim().slice(0, 500) };
};

export const toApiError = (answer: Answer, request: RequestSummary): KubeApiError =>
  new KubeApiError(answer.status, parseStatus(answer.body), {
    request: { method: request.method, path: request.path },
    retryAfterMs: parseRetryAfter(answer.headers, new Date()),
    warnings: parseWarnings(answer.headers['warning']),
  });

const describeFailure = (error: unknown): string => {
  if (!(error instanceof Error)) return String(error);
  const inner = error instanceof AggregateError ? error.errors[0] : undefined;
  const code = (error as NodeJS.ErrnoException).code;
  const text = error.message || (inner instanceof Error ? inner.message : '') || error.name;
  return code !== undefined && !text.includes(code) ? `${text} (${code})` : text;
};

interface Timer {
  /** Aborts when the time is up. */
  readonly signal: AbortSignal;
  /** Starts the time without a byte again. */
  noteByte(): void;
  stop(): void;
}

const createTimer = ({ silenceMs, timeoutMs }: RawRequest, defaultMs: number): Timer => {
  const over = new AbortController();
  const timer = setTimeout(() => over.abort(), silenceMs ?? timeoutMs ?? defaultMs);
  return {
    signal: over.signal,
    noteByte: () => {
      if (silenceMs !== undefined) timer.refresh();
    },
    stop: () => clearTimeout(timer),
  };
};

const readBody = async (request: RawRequest, { body }: Response, timer: Timer): Promise<string> => {
  const { method, path, maxBytes = Number.POSITIVE_INFINITY } = request;
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body as AsyncIterable<Uint8Array>) {
    timer.noteByte();
    bytes += chunk.byteLength;
    if (bytes > maxBytes) {
      // Leaving the loop ends the connection.
      const message = `${method} ${path}: the response has more than ${maxBytes} bytes`;
      throw new KubeConnectionError(message, { tooLarge: true, request: { method, path } });
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
};

/** HTTP to one API server: one pool of kept-alive connections, credentials on every request, failures as KubeConnectionError. */
export class Transport {
  readonly #options: TransportOptions;
  readonly #credentials: CredentialSource;
  #pool: { readonly dispatcher: Agent | ProxyAgent; readonly tlsId: string } | undefined;
  #closed: boolean = false;

  constructor(options: TransportOptions) {
    this.#options = options;
    this.#credentials = createCredentialSource(options.access);
  }

  /** Sends one request and reads the whole response, also one of 400 and above. */
  async exchange(request: RawRequest, signal: AbortSignal): Promise<Answer> {
    const timer = createTimer(request, this.#options.timeoutMs);
    try {
      const limits = { signal, timeout: timer.signal };
      const response = await this.#guard(request, limits, () => this.#authenticated(request, AbortSignal.any([signal, timer.signal])));
      const body = await this.#guard(request, limits, () => readBody(request, response, timer));
      return { status: response.statusCode, headers: response.headers, body };
    } finally {
      timer.stop();
    }
  }

  /** Sends one request and streams its body. @throws KubeApiError for a response of 400 and above. */
  async stream(request: RawRequest, signal: AbortSignal): Promise<AsyncIterable<Uint8Array>> {
    const timer = createTimer(request, this.#options.timeoutMs);
    const limits = { signal, timeout: timer.signal };
    try {
      const response = await this.#guard(request, limits, () => this.#authenticated(request, AbortSignal.any([signal, timer.signal])));
      if (response.statusCode < 400) return this.#chunks(request, response, { signal, timer });
      const body = await this.#guard(request, limits, () => response.body.text());
      throw toApiError({ status: response.statusCode, headers: response.headers, body }, request);
    } catch (error) {
      timer.stop();
      throw error;
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#pool?.dispatcher.destroy();
  }

  async *#chunks(
    request: RawRequest,
    response: Response,
    { signal, timer }: { readonly signal: AbortSignal; readonly timer: Timer },
  ): AsyncIterable<Uint8Array> {
    const chunks = response.body[Symbol.asyncIterator]();
    try {
      for (;;) {
        const next = await this.#guard(request, { signal, timeout: timer.signal }, () => chunks.next());
        if (next.done === true) return;
        timer.noteByte();
        yield next.value;
      }
    } finally {
      timer.stop();
      // A reader that stops early must not leave the connection open.
      response.body.destroy();
    }
  }

  /** Sends a request, and once more with new credentials after a 401, because tokens and certificates rotate. */
  async #authenticated(request: RawRequest, signal: AbortSignal): Promise<Response> {
    const credentials = await this.#credentials.current();
    const response = await this.#dispatch(request, credentials, signal);
    if (response.statusCode !== 401) return response;
    this.#credentials.refused(credentials);
    const renewed = await this.#credentials.current();
    if (renewed === credentials) return response;
    await response.body.dump();
    return this.#dispatch(request, renewed, signal);
  }

  async #dispatch(request: RawRequest, credentials: Credentials, signal: AbortSignal): Promise<Response> {
    const url = new URL(this.#options.access.server + request.path);
    for (const [name, value] of Object.entries(request.query ?? {})) {
      if (value !== undefined) url.searchParams.set(name, value);
    }
    const body = request.body === undefined ? {} : { body: JSON.stringify(request.body) };
    const contentType = request.body === undefined ? {} : { 'content-type': request.contentType ?? 'application/json' };
    const started = performance.now();
    const headers = { accept: 'application/json', 'user-agent': this.#options.userAgent, ...contentType, ...credentials.headers };
    const count = (status: number | 'error'): void =>
      this.#options.metrics?.request({ method: request.method, status, durationMs: performance.now() - started });
    try {
      const dispatcher = this.#dispatcher(credentials);
      const response = await send(url, { method: request.method, headers, ...body, dispatcher, signal, headersTimeout: 0 });
      count(response.statusCode);
      return response;
    } catch (error) {
      count('error');
      throw error;
    }
  }

  #dispatcher(credentials: Credentials): Agent | ProxyAgent {
    if (this.#closed) throw new Error('the client is closed');
    if (this.#pool?.tlsId === credentials.tlsId) return this.#pool.dispatcher;
    const previous = this.#pool;
    const dispatcher = createDispatcher(this.#options.access, credentials);
    dispatcher.on('connect', () => this.#options.metrics?.connection());
    this.#pool = { dispatcher, tlsId: credentials.tlsId };
    // Requests in flight end on the connections that they started on; a failure to close these changes nothing.
    previous?.dispatcher.close().catch(() => undefined);
    return dispatcher;
  }

  async #guard<T>(request: RawRequest, limits: { signal: AbortSignal; timeout: AbortSignal }, run: () => Promise<T>): Promise<T> {
    try {
      limits.signal.throwIfAborted();
      return await run();
    } catch (error) {
      if (limits.signal.aborted) throw limits.signal.reason;
      if (error instanceof KubeConnectionError) throw error;
      const where = `${request.method} ${this.#options.access.server}${request.path}`;
      const summary = { method: request.method, path: request.path };
      if (limits.timeout.aborted)
        throw new KubeConnectionError(`${where}: no response in time`, { cause: error, timedOut: true, request: summary });
      throw new KubeConnectionError(`${where}: ${describeFailure(error)}`, { cause: error, request: summary });
    }
  }
}

const WARNING = /\b299 \S+ "((?:[^"\\]|\\.)*)"/g;

/** Texts of the `Warning: 299 - "…"` headers (RFC 9111 §5.5); admission warnings come this way. */
export const parseWarnings = (header: string | readonly string[] | undefined): string[] => {
  const text = typeof header === 'string' ? header : (header ?? []).join(', ');
  return [...text.matchAll(WARNING)].map((match) => (match[1] ?? '').replace(/\\(.)/g, '$1'));
};

/** `Retry-After` in seconds or as a date (RFC 9110 §10.2.3), in milliseconds. */
export const parseRetryAfter = (headers: IncomingHttpHeaders, now: Date): number | undefined => {
  const value = headers['retry-after'];
  if (value === undefined) return undefined;
  if (/^\d+$/.test(value)) return Number(value) * 1000;
  const at = Date.parse(value);
  return Number.isNaN(at) ? undefined : Math.max(0, at - now.getTime());
};
