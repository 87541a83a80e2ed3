import type { RequestHandler } from 'express';
import type { z } from 'zod';
import { ApiError, type ProblemCode } from './problems.ts';
import type { ApiDeps } from './types.ts';

/** One line of the route table: express serves it, OpenAPI describes it. */
export interface Route {
  readonly method: 'get' | 'post';
  /** As OpenAPI writes it: `/api/v1/policies/{namespace}/{name}`. */
  readonly path: string;
  readonly operationId: string;
  readonly summary: string;
  readonly description?: string;
  readonly tag: 'policies' | 'clusters' | 'hub' | 'audit' | 'operations';
  /** Whether the API token is asked for, where one is configured. */
  readonly auth: boolean;
  readonly params?: z.ZodObject;
  readonly query?: z.ZodObject;
  readonly response: RouteResponse;
  /** Beyond those that every route can answer with. */
  readonly problems: readonly ProblemCode[];
  readonly handler: (deps: ApiDeps) => RequestHandler;
}

export interface RouteResponse {
  readonly status: number;
  readonly description: string;
  readonly contentType?: string;
  readonly schema?: z.ZodType;
}

type Shape = z.ZodObject | undefined;
type Parsed<S extends Shape> = S extends z.ZodObject ? z.output<S> : undefined;

/** What a route is, short of how it answers. */
export type RouteHead<P extends Shape, Q extends Shape> = Omit<Route, 'params' | 'query' | 'handler' | 'problems' | 'response'> & {
  readonly params?: P;
  readonly query?: Q;
  readonly problems?: readonly ProblemCode[];
};

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

/** A route that answers with JSON of one schema. */
export const jsonRoute = <P extends Shape, Q extends Shape, R extends z.ZodType>(
  head: RouteHead<P, Q>,
  response: { schema: R; description: string },
  answer: (deps: ApiDeps, input: { params: Parsed<P>; query: Parsed<Q> }) => Promise<z.input<R>>,
): Route => ({
  ...(head as RouteHead<z.ZodObject, z.ZodObject>),
  response: { status: 200, ...response },
  problems: head.query === undefined ? (head.problems ?? []) : ['bad-request', ...(head.problems ?? [])],
  handler: (deps) => async (req, res) => {
    const params = parse(head.params as P, { ...req.params }, 'path parameter');
    const query = parse(head.query as Q, { ...req.query }, 'query parameter');
    res.json(await answer(deps, { params, query }));
  },
});
