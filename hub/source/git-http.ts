import type { GitHttpRequest, GitHttpResponse, HttpClient } from 'isomorphic-git';
import { Agent, type Dispatcher, request } from 'undici';
import type { GitAuth } from './git-auth.ts';
import { GitTransportError } from './git-transport-error.ts';
import { checkPackAnswer, DEFAULT_PACK_LIMITS } from './pack-limits.ts';

export interface GitHttp {
  /** A client for one fetch. */
  client(signal: AbortSignal): HttpClient;
  close(): Promise<void>;
}

const collectBody = async (body: GitHttpRequest['body']): Promise<Buffer | null> => {
  if (body === undefined) return null;
  const parts: Uint8Array[] = [];
  for await (const part of body) parts.push(part);
  return Buffer.concat(parts);
};

const readCapped = async (body: Dispatcher.ResponseData['body'], limit: number): Promise<Uint8Array> => {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of body as AsyncIterable<Buffer>) {
    size += part.length;
    if (size > limit) throw new GitTransportError(`the Git server sent more than ${limit} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts);
};

const flatten = (headers: Dispatcher.ResponseData['headers']): Record<string, string> =>
  Object.fromEntries(Object.entries(headers).flatMap(([key, value]) => (value === undefined ? [] : [[key, String(value)]])));

async function* once(chunk: Uint8Array): AsyncIterableIterator<Uint8Array> {
  yield chunk;
}

export interface GitHttpOptions {
  readonly maxBytes: number;
  readonly timeoutMs: number;
  /** Credentials, and the only origin (scheme, host and port) that they are sent to. */
  readonly access?: { readonly origin: string; readonly auth: GitAuth };
}

/**
 * HTTP for isomorphic-git: connections kept open between fetches (a hint costs no handshake), answers bounded in size
 * and time. Redirects are not followed: neither credentials nor the hub's trust then go to a host that nobody configured.
 * An answer is read whole, and a pack looked through, before it is handed on, so that a broken or hostile one fails here.
 */
export const createGitHttp = (options: GitHttpOptions): GitHttp => {
  const { access } = options;
  const agent = new Agent({ connections: 2, keepAliveTimeout: 60_000, connect: { timeout: options.timeoutMs } });

  const authorization = async (url: string, signal: AbortSignal): Promise<Record<string, string>> => {
    if (access === undefined || new URL(url).origin !== access.origin) return {};
    const header = await access.auth.header(signal);
    return header === undefined ? {} : { Authorization: header };
  };

  const send = async ({ url, method = 'GET', headers, body }: GitHttpRequest, signal: AbortSignal): Promise<GitHttpResponse> => {
    const response = await request(url, {
      method: method as Dispatcher.HttpMethod,
      headers: { ...headers, ...(await authorization(url, signal)) },
      body: await collectBody(body),
      dispatcher: agent,
      signal: AbortSignal.any([signal, AbortSignal.timeout(options.timeoutMs)]),
    });
    const { statusCode } = response;
    if (statusCode === 401 || statusCode === 403) access?.auth.refused();
    if (statusCode >= 300 && statusCode < 400) {
      await response.body.dump();
      throw new GitTransportError('the Git server redirects elsewhere, which is not followed; configure the final URL');
    }
    const answer = await readCapped(response.body, options.maxBytes);
    if (method === 'POST' && statusCode === 200) await checkPackAnswer(answer, DEFAULT_PACK_LIMITS);
    return {
      url,
      method,
      statusCode,
      statusMessage: response.statusText,
      headers: flatten(response.headers),
      body: once(answer),
    };
  };

  return { client: (signal) => ({ request: (args) => send(args, signal) }), close: () => agent.destroy() };
};
