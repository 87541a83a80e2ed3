/**
 * Error of an answer of the Git server that violates the Git protocol, or that the hub does not
 * accept. The message is for people.
 */
export class GitTransportError extends Error {
  override readonly name = 'GitTransportError';
}

const field = (value: unknown, key: string): unknown => (typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined);

const describeStatus = (status: unknown): string => {
  if (status === 401 || status === 403) return `the Git server refuses the credentials (HTTP ${status})`;
  if (status === 404) return 'there is no such repository (HTTP 404), or the credentials may not see it';
  return `the Git server answered HTTP ${String(status)}`;
};

const NETWORK: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection reset',
  ENOTFOUND: 'unknown host',
  EAI_AGAIN: 'host name cannot be resolved now',
  ETIMEDOUT: 'connection timed out',
  EHOSTUNREACH: 'no route to the host',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'the certificate is self-signed and not trusted',
  SELF_SIGNED_CERT_IN_CHAIN: 'the certificate chain is not trusted',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'the certificate is not trusted',
  CERT_HAS_EXPIRED: 'the certificate has expired',
  ERR_TLS_CERT_ALTNAME_INVALID: 'the certificate is for another host',
};

const networkCode = (error: unknown): string | undefined => {
  const codes = [field(error, 'code'), field(field(error, 'cause'), 'code')];
  return codes.find((code): code is string => typeof code === 'string' && Object.hasOwn(NETWORK, code));
};

const byGitCode = (error: unknown, ref: string): string | undefined => {
  switch (field(error, 'code')) {
    case 'HttpError':
      return describeStatus(field(field(error, 'data'), 'statusCode'));
    case 'NotFoundError':
      return `the repository has no ref ${ref}`;
    case 'SmartHttpError':
    case 'ParseError':
    case 'EmptyServerResponseError':
      return 'the URL does not answer as a Git repository does (smart HTTP)';
    default:
      return undefined;
  }
};

/**
 * Describes the reason of a failed fetch, for people and without URLs, which may carry credentials.
 */
export const describeGitError = (error: unknown, ref: string): string => {
  if (error instanceof GitTransportError) return error.message;
  if (field(error, 'name') === 'TimeoutError') return 'the Git server did not answer in time';
  const code = networkCode(error);
  if (code !== undefined) return `cannot reach the Git server: ${NETWORK[code]}`;
  return byGitCode(error, ref) ?? `fetch failed: ${String(field(error, 'code') ?? field(error, 'name') ?? 'unknown error')}`;
};
