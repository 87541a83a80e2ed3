import type { Role } from '@fso/shared/api';
import express, { type Request, type RequestHandler, type Response } from 'express';
import type { z } from 'zod';
import { type Caller, callerOf } from './caller.ts';
import { type RequestWork, workOf } from './limits/request-work.ts';
import type { SlotKind } from './limits/slots.ts';
import { ApiError, type ProblemCode } from './problems.ts';

/** The least role; `signed-in`: anybody whom the hub knows; `open`: everybody. */
export type RouteAccess = Role | 'signed-in' | 'open';

/**
 * Treatment of callers who see a part of the fleet. `scoped`: the route works on that part, and
 * nothing else exists for it. `global`: it is about the whole hub, and for callers with a role for
 * everything. `public`: it says nothing about the fleet, or authenticates its caller otherwise.
 */
export type RouteScope = 'scoped' | 'global' | 'public';

/** Treatment of a route that is served from the whole hub alone. */
export type HubScope = Exclude<RouteScope, 'scoped'>;

/**
 * An entry of the route table: express serves it, OpenAPI describes it.
 *
 * @typeParam D dependencies of its handler: a small interface of the package that the route is in
 */
export interface Route<in D = never, out S extends RouteScope = RouteScope> {
  readonly method: 'get' | 'post' | 'delete';
  /** Path in the notation of OpenAPI: `/api/v1/policies/{namespace}/{name}`. */
  readonly path: string;
  readonly operationId: string;
  readonly summary: string;
  readonly description?: string;
  readonly tag: 'policies' | 'clusters' | 'alerts' | 'hub' | 'audit' | 'access' | 'operations';
  readonly access: RouteAccess;
  readonly scope: S;
  /** Kind of the slots that its calls share; absent: they take none. */
  readonly slots?: SlotKind;
  readonly params?: z.ZodObject;
  readonly query?: z.ZodObject;
  /** JSON of at most {@link MAX_BODY_BYTES}. */
  readonly body?: z.ZodObject;
  readonly response: RouteResponse;
  /** Problems beyond those that every route can answer with; absent: none. */
  readonly problems?: readonly ProblemCode[];
  readonly handler: (deps: D) => RequestHandler;
}

/** A response of a route, for the OpenAPI document. */
export interface RouteResponse {
  readonly status: number;
  readonly description: string;
  readonly contentType?: string;
  readonly schema?: z.ZodType;
}

type Shape = z.ZodObject | undefined;
type Parsed<S extends Shape> = S extends z.ZodObject ? z.output<S> : undefined;

/** Description of a route without its handler and response. */
export type RouteHead<P extends Shape, Q extends Shape, B extends Shape = undefined, S extends RouteScope = RouteScope> = Omit<
  Route<never, S>,
  'params' | 'query' | 'body' | 'handler' | 'problems' | 'response'
> & {
  readonly params?: P;
  readonly query?: Q;
  readonly body?: B;
  readonly problems?: readonly ProblemCode[];
};

/** Head of a route that reads the part of the fleet which its caller sees. */
export const SCOPED_READ = { method: 'get', access: 'viewer', scope: 'scoped' } as const;
/** Head of a route that lists such a part: it takes a slot. */
export const SCOPED_LIST = { ...SCOPED_READ, slots: 'list' } as const;
/** Head of a route that reads something about the whole hub. */
export const GLOBAL_READ = { method: 'get', access: 'viewer', scope: 'global' } as const;
/** A change of the hub itself, by an administrator. */
export const ADMIN_CHANGE = { access: 'admin', scope: 'global' } as const;
/** A call without a credential, which holds nothing of the fleet. */
export const ANONYMOUS_CALL = { access: 'open', scope: 'public' } as const;

/** All problems of a query in one line, each naming its parameter. */
const describeIssues = (error: z.ZodError): string =>
  error.issues
    .map((issue) =>
      issue.code === 'unrecognized_keys' ? `${issue.keys.join(', ')}: unknown` : `${issue.path.join('.')}: ${issue.message}`,
    )
    .join('; ');

const parse = <S extends Shape>(schema: S, value: unknown, what: string): Parsed<S> => {
  if (schema === undefined) return undefined as Parsed<S>;
  const result = schema.safeParse(value);
  if (!result.success) throw new ApiError('bad-request', `${what} ${describeIssues(result.error)}`);
  return result.data as Parsed<S>;
};

/** Input of a route, validated by its schemas. */
export interface RouteInput<P extends Shape, Q extends Shape, B extends Shape> {
  readonly params: Parsed<P>;
  readonly query: Parsed<Q>;
  readonly body: Parsed<B>;
  readonly caller: Caller;
  readonly work: RequestWork;
  /** Aborted when the caller is gone. */
  readonly signal: AbortSignal;
}

/**
 * Creates a signal for the reader of an answer.
 *
 * @returns aborted when nobody reads the answer any more
 */
export const untilClosed = (res: Response): AbortSignal => {
  const gone = new AbortController();
  if (res.destroyed) gone.abort();
  res.once('close', () => gone.abort());
  return gone.signal;
};

const MAX_BODY_BYTES = 16 * 1024;

const readBody = express.json({ limit: MAX_BODY_BYTES });

const readJson = (req: Request, res: Response): Promise<void> =>
  new Promise((resolve, reject) => readBody(req, res, (error) => (error ? reject(error) : resolve())));

/** Reads and validates the JSON body of a request. @throws ApiError `bad-request`, `too-large` */
export const parseBody = async <B extends z.ZodObject>(schema: B, req: Request, res: Response): Promise<z.output<B>> => {
  await readJson(req, res);
  return parse(schema, req.body ?? {}, 'body') as z.output<B>;
};

const readForm = express.urlencoded({ limit: 8192, extended: false });

/** Returns a field of a form; `` where the form does not have it. @throws ApiError `too-large` */
export const parseFormField = async (name: string, req: Request, res: Response): Promise<string> => {
  await new Promise<void>((resolve, reject) => readForm(req, res, (error) => (error ? reject(error) : resolve())));
  const field: unknown = Reflect.get(Object(req.body), name);
  return typeof field === 'string' ? field : '';
};

const problemsOf = ({ query, body, slots, problems = [] }: RouteHead<Shape, Shape, Shape>): readonly ProblemCode[] => [
  ...(query === undefined && body === undefined ? [] : (['bad-request'] as const)),
  ...(body === undefined ? [] : (['too-large'] as const)),
  ...(slots === undefined ? [] : (['too-many-requests'] as const)),
  ...problems,
];

/**
 * A route that answers with JSON of one schema. One that changes something is recorded before it
 * answers; not an open one, as everybody could fill the record with such.
 */
export const jsonRoute = <D, S extends RouteScope, P extends Shape, Q extends Shape, R extends z.ZodType, B extends Shape = undefined>(
  head: RouteHead<P, Q, B, S>,
  response: { schema: R; description: string; status?: number },
  answer: (deps: D, input: RouteInput<P, Q, B>) => Promise<z.input<R>>,
): Route<D, S> => ({
  ...(head as RouteHead<z.ZodObject, z.ZodObject, z.ZodObject, S>),
  response: { status: 200, ...response },
  problems: problemsOf(head),
  handler: (deps) => async (req, res) => {
    if (head.body !== undefined) await readJson(req, res);
    const caller = callerOf(res);
    const work = workOf(res);
    const signal = untilClosed(res);
    const call = (): Promise<z.input<R>> =>
      answer(deps, {
        params: parse(head.params as P, { ...req.params }, 'path parameter'),
        query: parse(head.query as Q, { ...req.query }, 'query parameter'),
        body: parse(head.body as B, req.body ?? {}, 'body'),
        caller,
        work,
        signal,
      });
    const result = head.method === 'get' || head.access === 'open' ? await call() : await caller.audited(head.operationId, call);
    work.run(() => res.status(response.status ?? 200).json(result));
  },
});

/**
 * A route that only reads and writes its answer itself: a file, or one of several formats. `schema`
 * is that of its JSON.
 */
export const rawRoute = <D, S extends RouteScope, P extends Shape, Q extends Shape>(
  head: Omit<RouteHead<P, Q, undefined, S>, 'body'> & { readonly method: 'get' },
  response: Omit<RouteResponse, 'status'>,
  answer: (deps: D, input: Pick<RouteInput<P, Q, undefined>, 'params' | 'query' | 'signal'>, res: Response) => Promise<void>,
): Route<D, S> => ({
  ...(head as Omit<RouteHead<z.ZodObject, z.ZodObject, undefined, S>, 'body'>),
  response: { status: 200, ...response },
  problems: problemsOf(head as RouteHead<Shape, Shape, Shape>),
  handler: (deps) => async (req, res) => {
    const params = parse(head.params as P, { ...req.params }, 'path parameter');
    const query = parse(head.query as Q, { ...req.query }, 'query parameter');
    await answer(deps, { params, query, signal: untilClosed(res) }, res);
  },
});
