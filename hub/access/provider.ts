import { type Clock, isLoopback, type Logger, readAtMost, type Secret, secretText } from '@fso/shared/runtime';
import * as oidc from 'openid-client';
import type { GroupGrant, RoleMap } from './roles.ts';

/** Settings of the OpenID Connect client. */
export interface OidcSettings {
  readonly issuer: string;
  readonly clientId: string;
  /** Secret of the client; without it the hub is a public client. PKCE is used in either case. */
  readonly clientSecret: Secret | undefined;
  readonly scopes: string;
  readonly rolesClaim: string;
  readonly roleMap: RoleMap;
  /** Roles for some of the clusters and policies, beside the map. */
  readonly grants: readonly GroupGrant[];
  /** Audience of access tokens that are taken as bearer tokens; without one none is. */
  readonly audience: string | undefined;
}

/** The provider does not answer, or not as one does. The message is for people. */
export class ProviderUnavailable extends Error {}

const REFRESH_MS = 3_600_000;
/** Longest time for one request. */
const TIMEOUT_MS = 10_000;

/**
 * Bound of the answers of a provider: its configuration, keys, tokens, and claims with the groups
 * of a person.
 */
const MAX_ANSWER_BYTES = 1024 * 1024;

/**
 * The `fetch` of everything that is asked of the identity provider: an answer is read whole before
 * a library parses it, and no more of it than 1 MiB, as it is once it is unpacked. Redirects and
 * times are the callers'.
 *
 * @throws Error where the answer is longer
 */
export const fetchFromProvider = async (url: string, init: RequestInit = {}): Promise<Response> => {
  const response = await fetch(url, init);
  const { status, statusText, headers } = response;
  const body = await readAtMost(response.body, MAX_ANSWER_BYTES);
  if (body === undefined) throw new Error(`the identity provider answers with more than ${MAX_ANSWER_BYTES} bytes`);
  return new Response(response.body === null ? null : Uint8Array.from(body), { status, statusText, headers });
};

/**
 * Authenticates the client with a method that the provider supports. client_secret_basic is the
 * default of OpenID Connect Core.
 */
const clientAuth = (secret: Secret | undefined): oidc.ClientAuth => {
  if (secret === undefined) return oidc.None();
  return (server, client, body, headers) => {
    const methods = server.token_endpoint_auth_methods_supported ?? ['client_secret_basic'];
    const authenticate = methods.includes('client_secret_basic') ? oidc.ClientSecretBasic : oidc.ClientSecretPost;
    return authenticate(secretText(secret))(server, client, body, headers);
  };
};

const describe = (error: unknown): string => {
  const { message = 'unknown', cause } = error as Partial<Error>;
  const code = Reflect.get(Object(cause), 'code');
  return typeof code === 'string' ? `${message} (${code})` : message;
};

/**
 * Creates a provider whose configuration (OpenID Connect Discovery) is fetched on first use and
 * again every hour. While the provider does not answer, its last configuration stays in use and
 * each call tries again.
 */
export const createProvider = (settings: OidcSettings, deps: { clock: Clock; logger: Logger; timeoutMs?: number }) => {
  const { clock, logger, timeoutMs = TIMEOUT_MS } = deps;
  const issuer = new URL(settings.issuer);
  let known: { configuration: oidc.Configuration; at: number } | undefined;
  let asking: Promise<oidc.Configuration> | undefined;

  const discover = async (): Promise<oidc.Configuration> => {
    // Only a provider on this machine may speak plain HTTP: for tests and trials.
    const insecure = issuer.protocol === 'http:' && isLoopback(issuer.hostname) ? [oidc.allowInsecureRequests] : [];
    const configuration = await oidc.discovery(issuer, settings.clientId, undefined, clientAuth(settings.clientSecret), {
      // ID tokens come straight from the provider; their signature is checked all the same.
      execute: [oidc.enableNonRepudiationChecks, ...insecure],
      timeout: timeoutMs / 1000,
      [oidc.customFetch]: (url, options) => fetchFromProvider(url, options as RequestInit),
    });
    known = { configuration, at: clock.monotonicMs() };
    return configuration;
  };

  const ask = async (): Promise<oidc.Configuration> => {
    try {
      return await discover();
    } catch (error) {
      logger.warn({ reason: describe(error), url: settings.issuer }, 'identity provider does not answer');
      if (known !== undefined) return known.configuration;
      throw new ProviderUnavailable('The identity provider does not answer as one does. Who is signed in stays so. Try again in a while.', {
        cause: error,
      });
    }
  };

  return {
    /** @throws ProviderUnavailable */
    configuration: async (): Promise<oidc.Configuration> => {
      if (known !== undefined && clock.monotonicMs() - known.at < REFRESH_MS) return known.configuration;
      asking ??= ask().finally(() => {
        asking = undefined;
      });
      return asking;
    },
  };
};

/** The identity provider: starts logins and verifies what comes back. */
export type Provider = ReturnType<typeof createProvider>;
