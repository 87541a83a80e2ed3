import type { Role } from '@fso/shared/api';
import express, { type Request, type RequestHandler, type Response } from 'express';
import type { z } from 'zod';
import { type Caller, callerOf } from './caller.ts';
import { type RequestWork, workOf } from './limits/request-work.ts';
import type { SlotKind } from './limits/slots.ts';
import { ApiError, type ProblemCode } from './problems.ts';

/** Least role for a route; `signed-in`: any authenticated caller; `open`: everyone. */
export type RouteAccess = Role | 'signed-in' | 'open';

/**
 * Treatment of callers who see only a part of the fleet. `scoped`: the route works on that part.
 * `global`: the route concerns the whole hub and needs a role for everything. `public`: the route
 * reveals nothing about the fleet, or authenticates callers differently.
 */
export type RouteScope = 'scoped' | 'global' | 'public';

/** Scope of a route that is served only from the whole hub. */
export type HubScope = Exclude<RouteScope, 'scoped'>;

/**
 * Entry of the route table, which express serves and OpenAPI describes.
 *
 * @typeParam D dependencies of its handler: a small interface in the file of the route
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
  /** Kind of slots that its calls share; undefined: none. */
  readonly slots?: SlotKind;
  readonly params?: z.ZodObject;
  readonly query?: z.ZodObject;
  /** JSON body of at most {@link MAX_BODY_BYTES}. */
  readonly body?: z.ZodObject;
  readonly response: RouteResponse;
  /** Problems besides those of every route; undefined: none. */
  readonly problems?: readonly ProblemCode[];
  readonly handler: (deps: D) => RequestHandler;
}

/** Response of a route, for the OpenAPI document. */
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

/** Head of a route that reads the visible part of the fleet. */
export const SCOPED_READ = { method: 'get', access: 'viewer', scope: 'scoped' } as const;
/** Head of a route that lists the visible part of the fleet. It needs a slot. */
export const SCOPED_LIST = { ...SCOPED_READ, slots: 'list' } as const;
/** Head of a route that reads data of the whole hub. */
export const GLOBAL_READ = { method: 'get', access: 'viewer', scope: 'global' } as const;
/** Head of a route by which an administrator changes the hub. */
export const ADMIN_CHANGE = { access: 'admin', scope: 'global' } as const;
/** Head of a route without authentication and without data of the fleet. */
export const ANONYMOUS_CALL = { access: 'open', scope: 'public' } as const;

/** Joins all problems of a query in one line, each with its parameter. */
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

/** Validated input of a route. */
export interface RouteInput<P extends Shape, Q extends Shape, B extends Shape> {
  readonly params: Parsed<P>;
  readonly query: Parsed<Q>;
  readonly body: Parsed<B>;
  readonly caller: Caller;
  readonly work: RequestWork;
  /** Aborted when the caller leaves. */
  readonly signal: AbortSignal;
}

/**
 * Creates a signal for the reader of an answer.
 *
 * @returns a signal that aborts when the response is closed
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

/** Returns a field of a form; `` if it is missing. @throws ApiError `too-large` */
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
 * Creates a route that answers with JSON of one schema. A change is recorded before the answer,
 * except on open routes, through which anyone could fill the audit log.
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
 * Creates a reading route that writes its answer itself: a file, or one of several formats.
 * `schema` describes its JSON.
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
