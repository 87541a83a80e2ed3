import { type Page, ProblemDetails } from '@fso/shared/api';
import { parseRetryAfter } from '@fso/shared/retry-after';
import type { z } from 'zod';

/** Thrown if the hub answers with an error, or does not answer. `status` 0: no answer. */
export class HubError extends Error {
  readonly status: number;
  readonly problem: ProblemDetails | undefined;
  /** Time after which to retry, in milliseconds; undefined: not given. */
  readonly retryAfterMs: number | undefined;

  constructor(message: string, status: number, options: HubErrorOptions = {}) {
    super(message, { cause: options.cause });
    this.status = status;
    this.problem = options.problem;
    this.retryAfterMs = options.retryAfterMs;
  }
}

interface HubErrorOptions extends ErrorOptions {
  readonly problem?: ProblemDetails;
  readonly retryAfterMs?: number | undefined;
}

/** Address of the hub, and token of the caller. */
export interface HubClientOptions {
  /** Base URL, such as http://127.0.0.1:8080. */
  readonly server: string;
  readonly token?: string | undefined;
}

/** Maximum number of items of a page. */
const PAGE = 500;

/** Method and JSON body of a request. Default: GET without a body. */
export interface Call {
  readonly method?: 'POST' | 'DELETE';
  readonly body?: unknown;
}

/** Query parameters. Undefined ones are left out. */
export type Query = Readonly<Record<string, string | number | boolean | undefined>>;

const problemOf = async (response: Response): Promise<HubError> => {
  const body: unknown = await response.json().catch(() => undefined);
  const problem = ProblemDetails.safeParse(body);
  if (!problem.success) return new HubError(`the server answered ${response.status}; is it a hub of this version?`, response.status);
  const { title, detail } = problem.data;
  return new HubError(detail === undefined ? title : `${title}: ${detail}`, response.status, {
    problem: problem.data,
    retryAfterMs: parseRetryAfter(response.headers.get('Retry-After'), { now: new Date() }),
  });
};

const withoutUndefined = (query: Query): [string, string][] =>
  Object.entries(query).flatMap(([name, value]) => (value === undefined ? [] : [[name, String(value)]]));

/** Requests to one hub. All methods throw {@link HubError}. */
export class HubRequests {
  readonly #server: string;
  readonly #root: string;
  readonly #authorization: Record<string, string>;

  constructor({ server, token }: HubClientOptions) {
    this.#server = server;
    this.#root = server.replace(/\/+$/, '');
    this.#authorization = token === undefined ? {} : { Authorization: `Bearer ${token}` };
  }

  async fetch(path: string, init: RequestInit & { headers: Record<string, string> }, signal?: AbortSignal): Promise<Response> {
    let response: Response;
    try {
      const headers = { ...init.headers, ...this.#authorization };
      response = await fetch(this.#root + path, { ...init, headers, signal: signal ?? null });
    } catch (cause) {
      signal?.throwIfAborted();
      throw new HubError(`no answer from ${this.#server}`, 0, { cause });
    }
    if (!response.ok) throw await problemOf(response);
    return response;
  }

  /** Reads an answer as text, such as a report. */
  async text(path: string, signal?: AbortSignal): Promise<string> {
    const response = await this.fetch(path, { headers: {} }, signal);
    try {
      return await response.text();
    } catch (cause) {
      signal?.throwIfAborted();
      throw new HubError(`the answer of ${this.#server} ended early`, response.status, { cause });
    }
  }

  async send<S extends z.ZodType>(schema: S, path: string, call: Call, signal?: AbortSignal): Promise<z.output<S>> {
    const { method = 'GET', body } = call;
    const headers = { Accept: 'application/json', ...(body === undefined ? {} : { 'Content-Type': 'application/json' }) };
    const response = await this.fetch(path, { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) }, signal);
    const parsed = schema.safeParse(await response.json().catch(() => undefined));
    if (!parsed.success) throw new HubError(`the answer of ${path} is not what a hub of this version sends`, response.status);
    return parsed.data;
  }

  get<S extends z.ZodType>(schema: S, path: string, query: Query = {}, signal?: AbortSignal): Promise<z.output<S>> {
    const search = new URLSearchParams(withoutUndefined(query)).toString();
    return this.send(schema, `/api/v1${path}${search === '' ? '' : `?${search}`}`, {}, signal);
  }

  /** Reads pages until there are enough items. A page may be empty although more follow. */
  async newestOf<T>(count: number, read: (query: Query) => Promise<{ items: T[]; next: string | null }>): Promise<T[]> {
    const items: T[] = [];
    for (let cursor: string | null | undefined; cursor !== null && items.length < count; ) {
      const page = await read({ limit: Math.min(PAGE, count - items.length), cursor });
      items.push(...page.items);
      cursor = page.next;
    }
    return items;
  }

  /** Reads all pages. */
  list<T>(schema: z.ZodType<Page<T>>, path: string, query: Query, signal?: AbortSignal): Promise<T[]> {
    return this.newestOf(Number.POSITIVE_INFINITY, (page) => this.get(schema, path, { ...query, ...page }, signal));
  }
}
