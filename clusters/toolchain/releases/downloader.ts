import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { EnvHttpProxyAgent, fetch, type Response } from 'undici';
import { CommandError } from '../command-error.ts';
import type { Environment } from '../go/go.ts';

const STALL_MS = 30_000;
const PROBE_MS = 3000;
/**
 * Upper bound of a download, larger than any release, so that an endless response does not fill the
 * disk.
 */
const LARGEST_BYTES = 1024 ** 3;
const LARGEST_DOCUMENT_BYTES = 4 * 1024 ** 2;

/** Response to a download, whose body is read in chunks. */
export interface Answer {
  readonly status: number;
  header(name: string): string | undefined;
  /**
   * Body of the response. Rejects if nothing arrives for a while, or if it is larger than any
   * release.
   */
  readonly body: AsyncIterable<Uint8Array>;
  /** Discards the body. */
  discard(): Promise<void>;
}

/** Receives the numbers of expected and received bytes. */
export interface ByteCounter {
  expect(bytes: number): void;
  arrived(bytes: number): void;
}

/** Download into a file, and the checksum that it must have. */
export interface SaveOptions {
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** `sha256:…` */
  readonly digest: string;
  readonly file: string;
  readonly counter: ByteCounter;
}

const causeOf = (error: unknown): string => {
  const { message, cause } = error as Error;
  return cause instanceof Error && cause.message ? `${message} (${cause.message})` : message;
};

/** Returns the checksum of a file in the format of the pins: `sha256:` and hexadecimal digits. */
export const sha256 = (content: Uint8Array): string => `sha256:${createHash('sha256').update(content).digest('hex')}`;

/** Compares a checksum with its pin. @throws CommandError if they differ */
export function assertDigest(what: string, found: string, pinned: string): void {
  if (found === pinned) return;
  throw new CommandError(`REFUSED ${what}: its checksum is ${found}, pinned is ${pinned}`);
}

/** Aborts its signal if nothing arrives for a while. */
class StallGuard {
  readonly #controller = new AbortController();
  readonly #timer: NodeJS.Timeout;

  constructor(ms: number) {
    const reason = new Error(`nothing arrived for ${ms / 1000} s`);
    this.#timer = setTimeout(() => this.#controller.abort(reason), ms);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  arrived(): void {
    this.#timer.refresh();
  }

  end(): void {
    clearTimeout(this.#timer);
  }
}

async function* guardedBody(url: string, response: Response, stall: StallGuard, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  let bytes = 0;
  try {
    for await (const chunk of response.body ?? []) {
      stall.arrived();
      bytes += chunk.length;
      if (bytes > LARGEST_BYTES) throw new Error(`more than ${LARGEST_BYTES} bytes`);
      yield chunk;
    }
  } catch (error) {
    signal.throwIfAborted();
    throw new CommandError(`${url}: ${causeOf(stall.signal.aborted ? stall.signal.reason : error)}`);
  } finally {
    stall.end();
  }
}

/** Downloads by HTTPS, through the proxy of the environment (HTTPS_PROXY, NO_PROXY). */
export class Downloader {
  readonly #mirror: string | undefined;
  readonly #stallMs: number;
  readonly #dispatcher: EnvHttpProxyAgent;

  /**
   * @param env `FSO_TOOLS_MIRROR`: a base URL that serves `https://host/path` under `/host/path`
   * @param stallMs longest time without a byte
   */
  constructor(env: Environment, stallMs: number = STALL_MS) {
    this.#mirror = env['FSO_TOOLS_MIRROR']?.replace(/\/+$/, '') || undefined;
    this.#stallMs = stallMs;
    const proxy = (name: string): string => env[name.toLowerCase()] ?? env[name] ?? '';
    this.#dispatcher = new EnvHttpProxyAgent({
      httpProxy: proxy('HTTP_PROXY'),
      httpsProxy: proxy('HTTPS_PROXY'),
      noProxy: proxy('NO_PROXY'),
    });
  }

  #locate(url: string): string {
    return this.#mirror === undefined ? url : url.replace(/^https:\/\//, `${this.#mirror}/`);
  }

  /** @returns the problems of hosts that do not respond within 3 s, by host */
  async unreachable(hosts: readonly string[], signal: AbortSignal): Promise<ReadonlyMap<string, string>> {
    const within = AbortSignal.any([signal, AbortSignal.timeout(PROBE_MS)]);
    const problems = new Map<string, string>();
    const probe = async (host: string): Promise<void> => {
      try {
        const url = this.#mirror === undefined ? `https://${host}/` : `${this.#mirror}/`;
        await fetch(url, { method: 'HEAD', redirect: 'manual', dispatcher: this.#dispatcher, signal: within });
      } catch (error) {
        signal.throwIfAborted();
        problems.set(host, `${this.#mirror ?? host} does not answer: ${causeOf(error)}`);
      }
    };
    await Promise.all(hosts.map(probe));
    return problems;
  }

  /** @throws CommandError if there is no response */
  async open(url: string, headers: Readonly<Record<string, string>>, signal: AbortSignal): Promise<Answer> {
    const stall = new StallGuard(this.#stallMs);
    try {
      const response = await fetch(this.#locate(url), {
        // The checksums are computed over the unencoded bytes.
        headers: { 'accept-encoding': 'identity', ...headers },
        dispatcher: this.#dispatcher,
        signal: AbortSignal.any([signal, stall.signal]),
      });
      return {
        status: response.status,
        header: (name) => response.headers.get(name) ?? undefined,
        body: guardedBody(url, response, stall, signal),
        discard: async () => {
          stall.end();
          await response.body?.cancel();
        },
      };
    } catch (error) {
      stall.end();
      signal.throwIfAborted();
      throw new CommandError(`${url}: ${causeOf(error)}`);
    }
  }

  async #opened(url: string, headers: Readonly<Record<string, string>>, signal: AbortSignal): Promise<Answer> {
    const answer = await this.open(url, headers, signal);
    if (answer.status === 200) return answer;
    await answer.discard();
    throw new CommandError(`${url}: HTTP ${answer.status}`);
  }

  /** Reads a small document. @throws CommandError for every response but 200 */
  async read(url: string, headers: Readonly<Record<string, string>>, signal: AbortSignal): Promise<Buffer> {
    const answer = await this.#opened(url, headers, signal);
    const chunks: Uint8Array[] = [];
    let bytes = 0;
    for await (const chunk of answer.body) {
      bytes += chunk.length;
      if (bytes > LARGEST_DOCUMENT_BYTES) throw new CommandError(`${url}: more than ${LARGEST_DOCUMENT_BYTES} bytes`);
      chunks.push(chunk);
    }
    return Buffer.concat(chunks);
  }

  /**
   * Computes the checksum of a URL's content without saving it. @throws CommandError if it is
   * incomplete
   */
  async digest(url: string, signal: AbortSignal): Promise<string> {
    const hash = createHash('sha256');
    const answer = await this.#opened(url, {}, signal);
    for await (const chunk of answer.body) hash.update(chunk);
    return `sha256:${hash.digest('hex')}`;
  }

  /** Saves a URL's content. @throws CommandError if it is incomplete or has another checksum */
  async save({ url, headers = {}, digest, file, counter }: SaveOptions, signal: AbortSignal): Promise<void> {
    const answer = await this.#opened(url, headers, signal);
    counter.expect(Number(answer.header('content-length') ?? 0));
    const hash = createHash('sha256');
    async function* counted(): AsyncGenerator<Uint8Array> {
      for await (const chunk of answer.body) {
        hash.update(chunk);
        counter.arrived(chunk.length);
        yield chunk;
      }
    }
    await pipeline(counted, createWriteStream(file));
    assertDigest(url, `sha256:${hash.digest('hex')}`, digest);
  }
}
