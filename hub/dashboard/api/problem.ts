import type { ProblemDetails } from '@fso/shared/api';

/** What the hub answered instead of what was asked for (RFC 9457). */
export class ApiProblem extends Error {
  override readonly name = 'ApiProblem';
  readonly problem: ProblemDetails;
  /** Seconds after which the hub wants to be asked again; undefined: it does not say. */
  readonly retryAfterS: number | undefined;

  constructor(problem: ProblemDetails, retryAfterS?: number) {
    super(problem.detail ?? problem.title);
    this.problem = problem;
    this.retryAfterS = retryAfterS;
  }

  get status(): number {
    return this.problem.status;
  }
}

/** The hub did not answer at all: it is down, or the network is. */
export class HubUnreachable extends Error {
  override readonly name = 'HubUnreachable';

  constructor(cause: unknown) {
    super('The hub does not answer.', { cause });
  }
}

export const isUnauthorized = (error: unknown): boolean => error instanceof ApiProblem && error.status === 401;
export const isForbidden = (error: unknown): boolean => error instanceof ApiProblem && error.status === 403;
export const isNotFound = (error: unknown): boolean => error instanceof ApiProblem && error.status === 404;

const isProblem = (value: unknown): value is ProblemDetails =>
  typeof value === 'object' && value !== null && 'title' in value && 'status' in value;

/** A proxy before the hub may answer with something of its own. */
const unknownProblem = (response: Response): ProblemDetails => ({
  type: 'about:blank',
  title: response.statusText || `HTTP ${response.status}`,
  status: response.status,
  code: 'unknown',
  requestId: response.headers.get('X-Request-Id') ?? '',
});

export const problemOf = async (response: Response): Promise<ApiProblem> => {
  const body: unknown = await response.json().catch(() => undefined);
  const retryAfter = Number(response.headers.get('Retry-After') ?? Number.NaN);
  return new ApiProblem(isProblem(body) ? body : unknownProblem(response), Number.isFinite(retryAfter) ? retryAfter : undefined);
};
