import type { IncomingHttpHeaders, IncomingMessage, RequestOptions } from 'node:http';
import { request as requestTls } from 'node:https';
import { type Clock, nodeHttp, type ProxyConfig, TlsAgents } from '@fso/shared/runtime';
import type { GitHttpRequest, GitHttpResponse, HttpClient } from 'isomorphic-git';
import { DEFAULT_LIMITS, type SourceOptions } from '../types.ts';
import { createGitAuth, type GitAuth } from './git-auth.ts';
import { GitTransportError } from './git-errors.ts';
import { checkRefsAnswer } from './pack-limits.ts';

/**
 * Processes an answer to `git-upload-pack`, whose buffer it may transfer.
 *
 * @returns the answer for isomorphic-git
 */
export type PackReceiver = (answer: Buffer<ArrayBuffer>, signal: AbortSignal) => Promise<Uint8Array>;

/** Makes HTTP clients that fetch from one Git server. */
export interface GitHttp {
  /** Makes a client for one fetch. */
  client(signal: AbortSignal, receivePack: PackReceiver): HttpClient;
  close(): Promise<void>;
}

const collectBody = async (body: GitHttpRequest['body']): Promise<Buffer | null> => {
  if (body === undefined) return null;
  const parts: Uint8Array[] = [];
  for await (const part of body) parts.push(part);
  return Buffer.concat(parts);
};

/**
 * Growth of the buffer of an answer, in bytes. Most answers have a few KB, and allocating memory
 * takes time.
 */
const GROWTH_BYTES = 64 * 1024;
/** Most bytes of an answer that names the refs. */
const MAX_REFS_BYTES = 8 * 1024 * 1024;
/** Time for which an unused connection is kept, in milliseconds. */
const KEPT_MS = 60_000;

/**
 * Reads a body up to a limit. The memory grows in place, and is freed at once if an answer turns
 * out too large, so that repeated answers of tens of megabytes are not left to the garbage
 * collector.
 */
const readCapped = async (body: IncomingMessage, limit: number): Promise<Buffer<ArrayBuffer>> => {
  const memory = new ArrayBuffer(0, { maxByteLength: limit });
  const bytes = new Uint8Array(memory);
  let size = 0;
  try {
    for await (const part of body as AsyncIterable<Buffer>) {
      const end = size + part.length;
      if (end > limit) throw new GitTransportError(`the Git server sent more than ${limit} bytes`);
      if (end > memory.byteLength) memory.resize(Math.min(limit, end + GROWTH_BYTES));
      bytes.set(part, size);
      size = end;
    }
  } catch (error) {
    memory.resize(0);
    throw error;
  }
  memory.resize(size);
  return Buffer.from(memory.transferToFixedLength());
};

const flatten = (headers: IncomingHttpHeaders): Record<string, string> =>
  Object.fromEntries(Object.entries(headers).flatMap(([key, value]) => (value === undefined ? [] : [[key, String(value)]])));

async function* once(chunk: Uint8Array): AsyncIterableIterator<Uint8Array> {
  yield chunk;
}

const isReset = (error: unknown): boolean => Reflect.get(Object(error), 'code') === 'ECONNRESET';

/**
 * Sends a request, and resolves with the head of the answer. A server may close a kept connection
 * just when it is used again: the request is then sent on another one.
 */
const ask = (url: URL, options: RequestOptions, body: Buffer | null): Promise<IncomingMessage> =>
  new Promise((resolve, reject) => {
    const start = url.protocol === 'https:' ? requestTls : nodeHttp.request;
    let answered = false;
    const request = start(url, options, (response) => {
      answered = true;
      resolve(response);
    });
    // While a proxy opens the tunnel, an abort is not an error of the request yet.
    options.signal?.addEventListener('abort', () => reject(options.signal?.reason), { once: true });
    // Errors after the head of the answer show where the body is read.
    request.on('error', (error) => {
      if (!answered && request.reusedSocket && isReset(error)) ask(url, options, body).then(resolve, reject);
      else reject(error);
    });
    request.end(body);
  });

/** Bounds, proxy and credentials of fetches. */
export interface GitHttpOptions {
  readonly maxBytes: number;
  readonly timeoutMs: number;
  /** Proxy for an https server; undefined to connect directly. */
  readonly proxy?: ProxyConfig | undefined;
  /** Credentials, and the only origin (scheme, host and port) that they are sent to. */
  readonly access?: { readonly origin: string; readonly auth: GitAuth };
}

interface Exchange {
  readonly response: IncomingMessage;
  readonly answer: Buffer<ArrayBuffer>;
}

const refuseRedirect = (response: IncomingMessage): void => {
  const { statusCode = 0 } = response;
  if (statusCode < 300 || statusCode >= 400) return;
  response.destroy();
  throw new GitTransportError('the Git server redirects elsewhere, which is not followed; configure the final URL');
};

/**
 * Creates HTTP clients for isomorphic-git. Connections stay open between fetches, so that a hint
 * costs no handshake, and answers are bounded in size and time. Redirects are not followed, so that
 * neither credentials nor the hub's trust go to a host that is not configured. An answer is read
 * and checked as a whole before it is passed on, so that a broken or hostile one fails here.
 */
export const createGitHttp = (options: GitHttpOptions): GitHttp => {
  const { access } = options;
  const kept = { keepAlive: true, maxSockets: 2, timeout: KEPT_MS };
  const [agent, tlsAgents] = [new nodeHttp.Agent(kept), new TlsAgents(options.proxy, kept)];

  const authorization = async (url: string, signal: AbortSignal): Promise<Record<string, string>> => {
    if (access === undefined || new URL(url).origin !== access.origin) return {};
    const header = await access.auth.header(signal);
    return header === undefined ? {} : { Authorization: header };
  };

  const read = async (response: IncomingMessage, method: string): Promise<Buffer<ArrayBuffer>> => {
    const { statusCode = 0 } = response;
    if (statusCode === 401 || statusCode === 403) access?.auth.refused();
    refuseRedirect(response);
    if (method === 'POST') return readCapped(response, options.maxBytes);
    const refs = await readCapped(response, Math.min(options.maxBytes, MAX_REFS_BYTES));
    checkRefsAnswer(refs);
    return refs;
  };

  const exchange = async (request: GitHttpRequest, stop: AbortSignal): Promise<Exchange> => {
    const { url, method = 'GET', headers, body } = request;
    const target = new URL(url);
    const fields = { ...headers, ...(await authorization(url, stop)) };
    const content = await collectBody(body);
    const signal = AbortSignal.any([stop, AbortSignal.timeout(options.timeoutMs)]);
    const settings: RequestOptions = { method, headers: fields, agent: target.protocol === 'https:' ? tlsAgents.current() : agent, signal };
    try {
      const response = await ask(target, settings, content);
      return { response, answer: await read(response, method) };
    } catch (error) {
      // An abort explains the failure better than the error that it caused.
      signal.throwIfAborted();
      throw error;
    }
  };

  const send = async (request: GitHttpRequest, stop: AbortSignal, receivePack: PackReceiver): Promise<GitHttpResponse> => {
    const { url, method = 'GET' } = request;
    const { response, answer } = await exchange(request, stop);
    const { statusCode = 0, statusMessage = '', headers } = response;
    const body = method === 'POST' && statusCode === 200 ? await receivePack(answer, stop) : answer;
    return { url, method, statusCode, statusMessage, headers: flatten(headers), body: once(body) };
  };

  const close = async (): Promise<void> => {
    agent.destroy();
    tlsAgents.destroy();
  };
  return { client: (signal, receivePack) => ({ request: (args) => send(args, signal, receivePack) }), close };
};

const DEFAULT_TIMEOUT_MS = 30_000;

/** Creates HTTP clients for the repository of a source. Credentials go to its origin only. */
export const createRepositoryHttp = (options: SourceOptions, clock: Clock): GitHttp =>
  createGitHttp({
    maxBytes: options.limits?.responseBytes ?? DEFAULT_LIMITS.responseBytes,
    timeoutMs: options.timeoutMs ?? DEFAULT_TIMEOUT_MS,
    proxy: options.proxy,
    access: { origin: new URL(options.url).origin, auth: createGitAuth(options, clock) },
  });
