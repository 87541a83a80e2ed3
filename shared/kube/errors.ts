/** Entry of `details.causes[]` of a metav1.Status. */
export interface StatusCause {
  readonly reason?: string;
  readonly message?: string;
  readonly field?: string;
}

/**
 * Part of metav1.Status from which errors are built
 * (https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/).
 */
export interface Status {
  readonly kind?: string;
  readonly code?: number;
  readonly reason?: string;
  readonly message?: string;
  readonly details?: {
    readonly name?: string;
    readonly group?: string;
    readonly kind?: string;
    readonly causes?: readonly StatusCause[];
    readonly retryAfterSeconds?: number;
  };
}

/** Method and path of a request, for error messages. */
export interface RequestSummary {
  readonly method: string;
  readonly path: string;
}

/**
 * Error for a response other than 2xx. The message is the server's own: a denial names its policy
 * or webhook.
 */
export class KubeApiError extends Error {
  override readonly name = 'KubeApiError';
  readonly status: number;
  /** metav1.StatusReason, e.g. `Conflict`; `''` if the response was not a Status. */
  readonly reason: string;
  readonly details: Status['details'];
  readonly causes: readonly StatusCause[];
  readonly retryAfterMs: number | undefined;
  readonly request: RequestSummary;
  /** Warnings of the response. One webhook may warn before another one refuses the write. */
  readonly warnings: readonly string[];

  constructor(
    status: number,
    body: Status,
    context: { request: RequestSummary; retryAfterMs?: number | undefined; warnings?: readonly string[] },
  ) {
    super(body.message || `the API server answered ${status}${body.reason ? ` (${body.reason})` : ''}`);
    this.status = status;
    this.reason = body.reason ?? '';
    this.details = body.details;
    this.causes = body.details?.causes ?? [];
    const seconds = body.details?.retryAfterSeconds;
    this.retryAfterMs = context.retryAfterMs ?? (seconds === undefined ? undefined : seconds * 1000);
    this.request = context.request;
    this.warnings = context.warnings ?? [];
  }
}

/** Error of a request without a response: refused, reset, TLS, DNS, credentials, or a timeout. */
export class KubeConnectionError extends Error {
  override readonly name = 'KubeConnectionError';
  readonly timedOut: boolean;
  /** Whether the response is longer than the request allows. */
  readonly tooLarge: boolean;
  readonly request: RequestSummary | undefined;

  constructor(message: string, options: { cause?: unknown; timedOut?: boolean; tooLarge?: boolean; request?: RequestSummary }) {
    super(message, { cause: options.cause });
    this.timedOut = options.timedOut ?? false;
    this.tooLarge = options.tooLarge ?? false;
    this.request = options.request;
  }
}

/**
 * Error for a kubeconfig, or a service account of the pod, that cannot be used. The message says
 * what to change.
 */
export class KubeConfigError extends Error {
  override readonly name = 'KubeConfigError';
}

const hasStatus = (error: unknown, ...statuses: number[]): error is KubeApiError =>
  error instanceof KubeApiError && statuses.includes(error.status);

/** Whether the object, or its kind, does not exist. */
export const isNotFound = (error: unknown): error is KubeApiError => hasStatus(error, 404);
/** Whether a server-side apply conflicts, or a resourceVersion is stale. */
export const isConflict = (error: unknown): error is KubeApiError => hasStatus(error, 409) && error.reason !== 'AlreadyExists';
/** Whether the object to create already exists. */
export const isAlreadyExists = (error: unknown): error is KubeApiError => hasStatus(error, 409) && error.reason === 'AlreadyExists';
/** Whether RBAC or an admission policy refused a request. */
export const isForbidden = (error: unknown): error is KubeApiError => hasStatus(error, 403);
/** Whether the API server does not know the caller. */
export const isUnauthorized = (error: unknown): error is KubeApiError => hasStatus(error, 401);
/**
 * Whether the resourceVersion, or the continue token, has expired, so that a new list is needed.
 */
export const isGone = (error: unknown): error is KubeApiError =>
  hasStatus(error, 410) || (error instanceof KubeApiError && error.reason === 'Expired');
/** Whether the API server, a proxy in front of it, or this client gave up on the request. */
export const isTimeout = (error: unknown): boolean =>
  hasStatus(error, 408, 504) || (error instanceof KubeConnectionError && error.timedOut);
