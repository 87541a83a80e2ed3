import { Agent, type Dispatcher, ProxyAgent, request as sendRequest } from 'undici';
import { parseRetryAfter, readBeginning } from '../../runtime/index.ts';
import { KubeApiError, KubeConnectionError, type RequestSummary, type Status } from '../errors.ts';
import type { RawRequest } from '../types.ts';
import { type CredentialSource, createCredentialSource } from './credentials.ts';
import type { ClusterAccess, Credentials } from './kubeconfig.ts';
import { type Answer, DEADLINE_PASSED, Deadline, type Limits, ResponseCollector } from './response-collector.ts';

/** Receiver of measurements of a client's requests and connections. */
export interface KubeClientMetrics {
  /** Records a request. `status` is the HTTP status, or `error` without a response. */
  request(fact: { readonly method: string; readonly status: number | 'error'; readonly durationMs: number }): void;
  /** Records a new TCP (TLS) connection. */
  connection(): void;
}

/** Address of the API server, and settings of all requests to it. */
export interface TransportOptions {
  readonly access: ClusterAccess;
  readonly userAgent: string;
  readonly metrics: KubeClientMetrics | undefined;
  /** Timeout of requests that set none, in ms. */
  readonly timeoutMs: number;
}

type Response = Dispatcher.ResponseData;

/**
 * Idle time after which a connection is closed, in ms. Shorter than the API server's 90 s, so that
 * the server never closes a connection that is about to be used.
 */
const KEEP_ALIVE_MS = 60_000;
/** Time without a byte after which TCP keep-alive checks the connection, in ms. */
const TCP_KEEP_ALIVE_MS = 15_000;
const MAX_CONNECTIONS = 256;
/** Most bytes that are read of a response that refuses a stream. */
const MAX_REFUSAL_BYTES = 1024 * 1024;

const createDispatcher = ({ proxyUrl }: ClusterAccess, { tls }: Credentials): Agent | ProxyAgent => {
  const connect = { ...tls, rejectUnauthorized: true, timeout: 10_000, keepAlive: true, keepAliveInitialDelay: TCP_KEEP_ALIVE_MS };
  const options = {
    connect,
    // Over HTTP/1.1 each watch has its own connection, so one that hangs does not block others.
    allowH2: false,
    keepAliveTimeout: KEEP_ALIVE_MS,
    keepAliveMaxTimeout: KEEP_ALIVE_MS,
    connections: MAX_CONNECTIONS,
    bodyTimeout: 0,
  };
  return proxyUrl === undefined ? new Agent(options) : new ProxyAgent({ ...options, uri: proxyUrl, requestTls: connect });
};

/**
 * Whether a status is 2xx. Redirects are not followed: their target is not the API server that was
 * asked.
 */
export const isSuccess = (status: number): boolean => status >= 200 && status < 300;

const parseStatus = (body: string): Status => {
  try {
    const parsed: unknown = JSON.parse(body);
    if (typeof parsed === 'object' && parsed !== null && 'message' in parsed) return parsed as Status;
  } catch {
    // A proxy or the aggregator may respond in plain text or HTML.
  }
  return { message: body.trim().slice(0, 500) };
};

/** Creates the error of a response whose status is not 2xx. */
export const toApiError = (answer: Answer, request: RequestSummary): KubeApiError =>
  new KubeApiError(answer.status, parseStatus(answer.body), {
    request: { method: request.method, path: request.path },
    retryAfterMs: parseRetryAfter(answer.headers['retry-after'], { now: new Date() }),
    warnings: parseWarnings(answer.headers['warning']),
  });

const describeFailure = (error: unknown): string => {
  if (!(error instanceof Error)) return String(error);
  const inner = error instanceof AggregateError ? error.errors[0] : undefined;
  const code = (error as NodeJS.ErrnoException).code;
  const text = error.message || (inner instanceof Error ? inner.message : '') || error.name;
  return code !== undefined && !text.includes(code) ? `${text} (${code})` : text;
};

/**
 * HTTP transport to one API server: one pool of kept-alive connections, credentials on every
 * request, failures as KubeConnectionError.
 */
export class Transport {
  readonly #options: TransportOptions;
  readonly #credentials: CredentialSource;
  /** Address of the server. Its path may have a prefix. */
  readonly #server: { readonly origin: string; readonly pathname: string };
  #pool: { readonly dispatcher: Agent | ProxyAgent; readonly tlsId: string } | undefined;
  #closed: boolean = false;

  constructor(options: TransportOptions) {
    this.#options = options;
    this.#credentials = createCredentialSource(options.access);
    const { origin, pathname } = new URL(options.access.server);
    this.#server = { origin, pathname: pathname.replace(/\/$/, '') };
  }

  /** Sends one request and reads the whole response, including those of 300 and above. */
  async exchange(request: RawRequest, signal: AbortSignal): Promise<Answer> {
    const limits = { signal, deadline: new Deadline(request, this.#options.timeoutMs) };
    try {
      return await this.#guard(request, limits, async () => {
        const credentials = await this.#credentials.current();
        const answer = await this.#collect(request, credentials, limits);
        if (answer.status !== 401) return answer;
        const renewed = await this.#renewed(credentials);
        return renewed === undefined ? answer : await this.#collect(request, renewed, limits);
      });
    } finally {
      limits.deadline.stop();
    }
  }

  /**
   * Sends one request and streams its body. @throws KubeApiError for a response of 300 and above
   */
  async stream(request: RawRequest, signal: AbortSignal): Promise<AsyncIterable<Uint8Array>> {
    const limits = { signal, deadline: new Deadline(request, this.#options.timeoutMs) };
    const over = new AbortController();
    limits.deadline.onOver = () => over.abort();
    try {
      const response = await this.#guard(request, limits, () => this.#open(request, AbortSignal.any([signal, over.signal])));
      if (isSuccess(response.statusCode)) return this.#chunks(request, response, limits);
      const bytes = await this.#guard(request, limits, () => readBeginning(response.body, MAX_REFUSAL_BYTES));
      const body = bytes.toString('utf8');
      throw toApiError({ status: response.statusCode, headers: response.headers, body }, request);
    } catch (error) {
      limits.deadline.stop();
      throw error;
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#pool?.dispatcher.destroy();
  }

  async *#chunks(request: RawRequest, response: Response, limits: Limits): AsyncIterable<Uint8Array> {
    const chunks = response.body[Symbol.asyncIterator]();
    try {
      for (;;) {
        const next = await this.#guard(request, limits, () => chunks.next());
        if (next.done === true) return;
        limits.deadline.noteByte();
        yield next.value;
      }
    } finally {
      limits.deadline.stop();
      // A reader that stops early must not leave the connection open.
      response.body.destroy();
    }
  }

  async #open(request: RawRequest, signal: AbortSignal): Promise<Response> {
    const credentials = await this.#credentials.current();
    const response = await this.#openWith(request, credentials, signal);
    if (response.statusCode !== 401) return response;
    const renewed = await this.#renewed(credentials);
    if (renewed === undefined) return response;
    await response.body.dump();
    return this.#openWith(request, renewed, signal);
  }

  #openWith(request: RawRequest, credentials: Credentials, signal: AbortSignal): Promise<Response> {
    const { origin, path, ...options } = this.#optionsOf(request, credentials);
    const response = sendRequest(`${origin}${path}`, { ...options, dispatcher: this.#dispatcher(credentials), signal });
    return this.#counted(request, response, ({ statusCode }) => statusCode);
  }

  async #collect(request: RawRequest, credentials: Credentials, limits: Limits): Promise<Answer> {
    const dispatcher = this.#dispatcher(credentials);
    const options = this.#optionsOf(request, credentials);
    limits.signal.throwIfAborted();
    if (limits.deadline.isOver) throw DEADLINE_PASSED;
    const collector = new ResponseCollector(request, limits);
    const answer = this.#counted(request, collector.answer(), ({ status }) => status);
    dispatcher.dispatch(options, collector);
    return answer;
  }

  /**
   * Reads credentials again after a 401, because tokens and certificates rotate. @returns undefined
   * if they have not changed
   */
  async #renewed(credentials: Credentials): Promise<Credentials | undefined> {
    this.#credentials.refused(credentials);
    const renewed = await this.#credentials.current();
    return renewed === credentials ? undefined : renewed;
  }

  #optionsOf({ method, path, query = {}, body, contentType = 'application/json' }: RawRequest, credentials: Credentials) {
    const { origin, pathname } = this.#server;
    const search = new URLSearchParams();
    for (const [name, value] of Object.entries(query)) if (value !== undefined) search.set(name, value);
    const content = body === undefined ? {} : { 'content-type': contentType };
    return {
      origin,
      path: `${pathname}${path}${search.size === 0 ? '' : `?${search}`}`,
      method,
      headers: { accept: 'application/json', 'user-agent': this.#options.userAgent, ...content, ...credentials.headers },
      body: body === undefined ? null : JSON.stringify(body),
      headersTimeout: 0,
    };
  }

  async #counted<T>({ method }: RawRequest, response: Promise<T>, statusOf: (response: T) => number): Promise<T> {
    const started = performance.now();
    const count = (status: number | 'error'): void =>
      this.#options.metrics?.request({ method, status, durationMs: performance.now() - started });
    try {
      const received = await response;
      count(statusOf(received));
      return received;
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
    // Requests in flight finish on their old connections. A failure to close these has no
    // consequence.
    previous?.dispatcher.close().catch(() => undefined);
    return dispatcher;
  }

  async #guard<T>(request: RawRequest, { signal, deadline }: Limits, run: () => Promise<T>): Promise<T> {
    try {
      signal.throwIfAborted();
      return await run();
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      if (error instanceof KubeConnectionError) throw error;
      const { method, path } = request;
      const where = `${method} ${this.#options.access.server}${path}`;
      if (deadline.isOver)
        throw new KubeConnectionError(`${where}: no response in time`, { cause: error, timedOut: true, request: { method, path } });
      throw new KubeConnectionError(`${where}: ${describeFailure(error)}`, { cause: error, request: { method, path } });
    }
  }
}

const WARNING = /\b299 \S+ "((?:[^"\\]|\\.)*)"/g;

/**
 * Parses the texts of `Warning: 299 - "…"` headers (RFC 9111 §5.5), which contain admission
 * warnings.
 */
export const parseWarnings = (header: string | readonly string[] | undefined): string[] => {
  const text = typeof header === 'string' ? header : (header ?? []).join(', ');
  return [...text.matchAll(WARNING)].map((match) => (match[1] ?? '').replace(/\\(.)/g, '$1'));
};
