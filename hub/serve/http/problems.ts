import { randomUUID } from 'node:crypto';
import type { ProblemDetails, ProblemView } from '@fso/shared/api';
import { escapeHtml } from '@fso/shared/encoding';
import type { Logger } from '@fso/shared/runtime';
import type { ErrorRequestHandler, Request, RequestHandler, Response } from 'express';

/** All errors of the API. No other place knows their HTTP statuses. */
export const PROBLEMS = {
  'bad-request': { status: 400, title: 'The request cannot be understood' },
  'login-failed': { status: 400, title: 'The login did not succeed' },
  unauthorized: { status: 401, title: 'The hub does not know who calls' },
  forbidden: { status: 403, title: 'The caller may not do this' },
  'webhook-refused': { status: 403, title: 'The webhook is not signed with the configured secret' },
  'not-found': { status: 404, title: 'Not found' },
  'method-not-allowed': { status: 405, title: 'The method is not allowed here' },
  conflict: { status: 409, title: 'What it is about does not allow it now' },
  'too-large': { status: 413, title: 'The body is too large' },
  'too-many-requests': { status: 429, title: 'Too many requests' },
  internal: { status: 500, title: 'The hub failed' },
  'login-unavailable': { status: 503, title: 'The identity provider cannot be asked now' },
  'source-unavailable': { status: 503, title: 'The policy repository cannot be read now' },
  'not-ready': { status: 503, title: 'The hub is not ready' },
} as const;
/** Code of an error of the API. */
export type ProblemCode = keyof typeof PROBLEMS;

/** Media type of the API's errors. */
export const PROBLEM_TYPE = 'application/problem+json';

/** Error that is answered as problem+json (RFC 9457). */
export class ApiError extends Error {
  readonly code: ProblemCode;
  readonly headers: Readonly<Record<string, string>>;
  /** Problems of files that the caller sent. */
  readonly problems: readonly ProblemView[];
  constructor(code: ProblemCode, detail: string, headers: Readonly<Record<string, string>> = {}, problems: readonly ProblemView[] = []) {
    super(detail);
    this.code = code;
    this.headers = headers;
    this.problems = problems;
  }
}

/** Throws the error for an object that does not exist. @throws ApiError `not-found` */
export const notFound = (what: string): never => {
  throw new ApiError('not-found', `There is no ${what}.`);
};

const REQUEST_ID = /^[\w.-]{1,64}$/;
/** Id of a request, which errors and log lines contain. */
export const requestIdOf = (res: Response): string => String(res.getHeader('X-Request-Id') ?? '');

/** Uses the caller's X-Request-Id if it is harmless, or creates an id. The answer contains it. */
export const requestId: RequestHandler = (req, res, next) => {
  const given = req.get('X-Request-Id');
  res.setHeader('X-Request-Id', given !== undefined && REQUEST_ID.test(given) ? given : randomUUID());
  next();
};

const toApiError = (error: unknown): ApiError => {
  if (error instanceof ApiError) return error;
  // Errors thrown by express and its parsers, such as for a malformed %-escape, carry a client
  // status.
  const status = typeof error === 'object' && error !== null && 'status' in error ? error.status : undefined;
  if (status === 413) return new ApiError('too-large', 'The body is larger than this call takes.');
  if (status === 400 && 'type' in Object(error) && Reflect.get(Object(error), 'type') === 'entity.parse.failed')
    return new ApiError('bad-request', 'The body is not JSON.');
  if (typeof status === 'number' && status >= 400 && status < 500)
    return new ApiError('bad-request', 'The URL or the headers are malformed.');
  return new ApiError('internal', 'See the log of the hub under this request id.');
};

/** Whether a call was aborted because its caller has left. */
const isLeft = (error: unknown, res: Response): boolean => res.destroyed && error instanceof Error && error.name === 'AbortError';

/**
 * Answers errors of routes as problem+json (RFC 9457). Unexpected errors are logged in full and
 * answered without their text.
 */
export const problemHandler =
  (logger: Logger): ErrorRequestHandler =>
  (error: unknown, req: Request, res: Response, next) => {
    if (isLeft(error, res)) return;
    const { code, message, headers, problems } = toApiError(error);
    if (code === 'internal') logger.error({ err: error, requestId: requestIdOf(res), path: req.path }, 'request failed');
    if (res.headersSent) return next(error);
    const { status, title } = PROBLEMS[code];
    const body: ProblemDetails = {
      type: `urn:fso:problem:${code}`,
      title,
      status,
      code,
      detail: message,
      requestId: requestIdOf(res),
      ...(problems.length > 0 && { problems: [...problems] }),
    };
    res.set(headers).status(status).type(PROBLEM_TYPE).send(JSON.stringify(body));
  };

/**
 * Answers a failed login with a page.
 *
 * @returns false if the caller is no browser; nothing is sent then
 */
export const sendProblemPage = (req: Request, res: Response, { code, message, headers }: ApiError): boolean => {
  if (req.accepts(['json', 'html']) !== 'html') return false;
  const { status, title } = PROBLEMS[code];
  const page = `<!doctype html><html lang="en"><meta charset="utf-8"><title>${escapeHtml(title)}</title><h1>${escapeHtml(title)}</h1><p>${escapeHtml(message)}</p><p><a href="/auth/login">Sign in</a></p></html>\n`;
  res.set(headers).status(status).type('html').send(page);
  return true;
};
