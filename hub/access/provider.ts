import { type Clock, isLoopback, type Logger, readAtMost, type Secret, secretText } from '@fso/shared/runtime';
import * as oidc from 'openid-client';
import type { GroupGrant, RoleMap } from './roles.ts';

/** Settings of the OpenID Connect client. */
export interface OidcSettings {
  readonly issuer: string;
  readonly clientId: string;
  /** Client secret; undefined: the hub is a public client. PKCE is used in either case. */
  readonly clientSecret: Secret | undefined;
  readonly scopes: string;
  readonly rolesClaim: string;
  readonly roleMap: RoleMap;
  /** Roles for some clusters and policies, in addition to the role map. */
  readonly grants: readonly GroupGrant[];
  /** Audience of access tokens that are accepted as bearer tokens; undefined: none are accepted. */
  readonly audience: string | undefined;
}

/** Thrown if the provider does not answer, or not as expected. The message is for people. */
export class ProviderUnavailable extends Error {}

const REFRESH_MS = 3_600_000;
/** Timeout of one request, in milliseconds. */
const TIMEOUT_MS = 10_000;

/**
 * Maximum size of an answer of the provider, in bytes: configuration, keys, tokens, or claims with
 * the groups of a person.
 */
const MAX_ANSWER_BYTES = 1024 * 1024;

/**
 * Fetches from the identity provider. The whole answer is read before a library parses it, up to 1
 * MiB after decompression. Redirects and timeouts are up to the caller.
 *
 * @throws Error if the answer is longer
 */
export const fetchFromProvider = async (url: string, init: RequestInit = {}): Promise<Response> => {
  const response = await fetch(url, init);
  const { status, statusText, headers } = response;
  const body = await readAtMost(response.body, MAX_ANSWER_BYTES);
  if (body === undefined) throw new Error(`the identity provider answers with more than ${MAX_ANSWER_BYTES} bytes`);
  return new Response(response.body === null ? null : Uint8Array.from(body), { status, statusText, headers });
};

/**
 * Selects a method of client authentication that the provider supports. client_secret_basic is the
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
 * again every hour. If the provider does not answer, the last configuration stays in use and each
 * call retries.
 */
export const createProvider = (settings: OidcSettings, deps: { clock: Clock; logger: Logger; timeoutMs?: number }) => {
  const { clock, logger, timeoutMs = TIMEOUT_MS } = deps;
  const issuer = new URL(settings.issuer);
  let known: { configuration: oidc.Configuration; at: number } | undefined;
  let asking: Promise<oidc.Configuration> | undefined;

  const discover = async (): Promise<oidc.Configuration> => {
    // Plain HTTP is only allowed for a provider on this machine, for tests and trials.
    const insecure = issuer.protocol === 'http:' && isLoopback(issuer.hostname) ? [oidc.allowInsecureRequests] : [];
    const configuration = await oidc.discovery(issuer, settings.clientId, undefined, clientAuth(settings.clientSecret), {
      // ID tokens come directly from the provider, but their signature is verified nevertheless.
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
      throw new ProviderUnavailable('The identity provider does not answer as expected. Existing sessions stay valid. Try again later.', {
        cause: error,
      });
    }
  };

  return {
    /** Returns the configuration of the provider. @throws ProviderUnavailable */
    configuration: async (): Promise<oidc.Configuration> => {
      if (known !== undefined && clock.monotonicMs() - known.at < REFRESH_MS) return known.configuration;
      asking ??= ask().finally(() => {
        asking = undefined;
      });
      return asking;
    },
  };
};

/** Identity provider with its OpenID Connect configuration. */
export type Provider = ReturnType<typeof createProvider>;
