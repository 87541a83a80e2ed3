import { CreatedToken, type ProblemDetails } from '@fso/shared/api';
import { type Clock, systemClock } from '@fso/shared/runtime';
import type { ApiHarness } from '../../testing/api-harness.ts';

/** Static token, which {@link ask} sends by default. */
export const STATIC = 'static-token-0123456789';
/** Day in milliseconds. */
export const DAY = 86_400_000;

/** A clock that tests move on; sleeps are real. */
export const movableClock = (): Clock & { offsetMs: number } => {
  const clock = { ...systemClock, offsetMs: 0, now: () => new Date(Date.now() + clock.offsetMs) };
  return clock;
};

type Init = { method?: string; token?: string; body?: unknown; headers?: Record<string, string> };
/** Sends a request to the API. */
export const ask = (
  server: ApiHarness,
  path: string,
  { method = 'GET', token = STATIC, body, headers = {} }: Init = {},
): Promise<Response> =>
  fetch(server.url + path, {
    method,
    headers: {
      ...(token === '' ? {} : { Authorization: `Bearer ${token}` }),
      ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
/** Reads the problem in a response. */
export const problemOf = async (response: Response): Promise<ProblemDetails> => (await response.json()) as ProblemDetails;
/** Creates an API token. */
export const create = async (server: ApiHarness, body: object = { name: 'ci', role: 'viewer' }) =>
  CreatedToken.parse(await (await ask(server, '/api/v1/tokens', { method: 'POST', body })).json());
