import {
  type AlertTestView,
  CSRF_HEADER,
  type EnrolmentTokenView,
  type EnrolmentView,
  type ForgottenCluster,
  type Page,
  type ProblemDetails,
  type RolloutView,
  type SilenceRequest,
  type SilenceView,
} from '@fso/shared/api';
import type { Plan, PlanRequest } from '@fso/shared/effects/portable';

/** Error response of the hub (RFC 9457). */
export class ApiProblem extends Error {
  override readonly name = 'ApiProblem';
  readonly problem: ProblemDetails;
  /** Seconds after which the hub accepts another request; undefined if unknown. */
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

/** Failure without a response: the hub or the network is down. */
export class HubUnreachable extends Error {
  override readonly name = 'HubUnreachable';

  constructor(cause: unknown) {
    super('The hub does not answer.', { cause });
  }
}

/** Whether the session has ended, so the hub does not know the caller. */
export const isUnauthorized = (error: unknown): boolean => error instanceof ApiProblem && error.status === 401;
/** Whether the caller's role does not suffice. */
export const isForbidden = (error: unknown): boolean => error instanceof ApiProblem && error.status === 403;
export const isNotFound = (error: unknown): boolean => error instanceof ApiProblem && error.status === 404;

const isProblem = (value: unknown): value is ProblemDetails =>
  typeof value === 'object' && value !== null && 'title' in value && 'status' in value;

/** Describes a response that is no problem document, such as that of a proxy before the hub. */
const unknownProblem = (response: Response): ProblemDetails => ({
  type: 'about:blank',
  title: response.statusText || `HTTP ${response.status}`,
  status: response.status,
  code: 'unknown',
  requestId: response.headers.get('X-Request-Id') ?? '',
});

const problemOf = async (response: Response): Promise<ApiProblem> => {
  const body: unknown = await response.json().catch(() => undefined);
  const retryAfter = Number(response.headers.get('Retry-After') ?? Number.NaN);
  return new ApiProblem(isProblem(body) ? body : unknownProblem(response), Number.isFinite(retryAfter) ? retryAfter : undefined);
};

/** Query parameters; undefined ones are left out. */
export type Params = Readonly<Record<string, string | number | boolean | undefined>>;

/** Builds the URL of a call; undefined parameters are left out. */
export const urlOf = (path: string, params: Params = {}): string => {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) {
    if (value !== undefined) search.set(name, String(value));
  }
  const text = search.toString();
  return text === '' ? path : `${path}?${text}`;
};

/** @throws ApiProblem, HubUnreachable, or the reason of the signal */
export const request = async (url: string, init: RequestInit, signal?: AbortSignal): Promise<Response> => {
  const response = await fetch(url, { ...init, credentials: 'same-origin', signal: signal ?? null }).catch((error: unknown) => {
    signal?.throwIfAborted();
    throw new HubUnreachable(error);
  });
  if (!response.ok) throw await problemOf(response);
  return response;
};

/** @throws as {@link request} */
export const getJson = async <T>(path: string, params?: Params, signal?: AbortSignal): Promise<T> => {
  const response = await request(urlOf(path, params), { headers: { Accept: 'application/json' } }, signal);
  return (await response.json()) as T;
};

/** Most rows that the hub returns at once. */
const PAGE_ROWS = 500;

/**
 * Reads all pages of a list. Returns the last page, with the rows of all pages. @throws as {@link
 * request}
 */
export const getWhole = async <P extends Page<unknown>>(path: string, params: Params, signal: AbortSignal): Promise<P> => {
  const read = (cursor?: string): Promise<P> => getJson(path, { ...params, limit: PAGE_ROWS, cursor }, signal);
  let page = await read();
  while (page.next !== null) {
    const next = await read(page.next);
    page = { ...next, items: [...page.items, ...next.items] };
  }
  return page;
};

/** Reads all rows of a paged list. @throws as {@link request} */
export const getAll = async <T>(path: string, params: Params, signal: AbortSignal): Promise<readonly T[]> =>
  (await getWhole<Page<T>>(path, params, signal)).items;

const CHANGE_HEADERS = { Accept: 'application/json', [CSRF_HEADER]: '1' };

/** Sends a DELETE request. @throws as {@link request} */
export const deleteJson = async <T>(path: string): Promise<T> =>
  (await request(path, { method: 'DELETE', headers: CHANGE_HEADERS })).json() as Promise<T>;

/** Sends a POST request. @throws as {@link request} */
export const postJson = async <T>(path: string, body?: unknown, signal?: AbortSignal): Promise<T> => {
  const headers = { ...CHANGE_HEADERS, 'Content-Type': 'application/json' };
  const response = await request(path, { method: 'POST', headers, body: JSON.stringify(body ?? {}) }, signal);
  return (await response.json()) as T;
};

const clusterPath = (cluster: string): string => `/api/v1/clusters/${encodeURIComponent(cluster)}`;

/** @throws ApiProblem if agents do not enrol at this hub, or the role does not suffice */
export const createEnrolmentToken = (cluster: string): Promise<EnrolmentTokenView> => postJson(`${clusterPath(cluster)}/enrolment-token`);
/** @throws ApiProblem as above */
export const revokeCluster = (cluster: string): Promise<EnrolmentView> => postJson(`${clusterPath(cluster)}/revoke`);
/**
 * @param force whether to forget the cluster even if the hub cannot tell whether it is registered
 * @throws ApiProblem if the cluster is registered or connected, or the role does not suffice
 */
export const forgetCluster = (cluster: string, force: boolean): Promise<ForgottenCluster> =>
  deleteJson(`${clusterPath(cluster)}${force ? '?force=true' : ''}`);

/**
 * @throws ApiProblem if the hub refuses the matchers or the time, or the role does not suffice; the
 * two calls below throw the same
 */
export const createSilence = (silence: SilenceRequest): Promise<SilenceView> => postJson('/api/v1/alerts/silences', silence);
export const endSilence = (id: string): Promise<SilenceView> => deleteJson(`/api/v1/alerts/silences/${encodeURIComponent(id)}`);
/** @returns the response of the receiver, or why it is unreachable */
export const testReceiver = (receiver: string): Promise<AlertTestView> => postJson('/api/v1/alerts/test', { receiver });

/**
 * Pauses the rollout that is shown.
 *
 * @throws ApiProblem if another commit is rolled out by now, or the role does not suffice
 */
export const pauseRollout = ({ revision }: RolloutView): Promise<RolloutView> =>
  postJson('/api/v1/rollout/pause', { revision: revision ?? undefined });
/** Ends the pause that is shown, or overrides the failed gate. @throws ApiProblem as above */
export const resumeRollout = ({ revision, paused, halted }: RolloutView): Promise<RolloutView> =>
  postJson('/api/v1/rollout/resume', { revision: revision ?? undefined, halt: paused === null ? halted?.since : undefined });

/** @throws ApiProblem with the problems of the files, or if the caller must wait */
export const createPlan = (request: PlanRequest, signal: AbortSignal): Promise<Plan> => postJson('/api/v1/plans', request, signal);

/**
 * Makes the hub fetch the policy repository now. @throws ApiProblem if the role does not suffice
 */
export const fetchSource = (): Promise<unknown> => postJson('/api/v1/source/fetch');
