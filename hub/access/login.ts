import type { Clock, Logger } from '@fso/shared/runtime';
import * as oidc from 'openid-client';
import { type Principal, principalOf } from './principal.ts';
import { type OidcSettings, type Provider, ProviderUnavailable } from './provider.ts';
import { claimValues, grantsOf } from './roles.ts';
import { createSealedBox, hashSecret } from './secrets.ts';

/** Thrown if a login failed. The message is for the person and contains no secret. */
export class LoginFailed extends Error {}

/** Login in progress: where the browser goes, and what it must return. */
export interface StartedLogin {
  /** URL that the browser is sent to. */
  readonly url: string;
  /** State that the browser must return in its cookie. */
  readonly state: string;
}

/** Time that a person may take at the provider, in milliseconds. */
export const LOGIN_MS = 600_000;

/** Origin that no real URL has. */
const BASE = 'https://hub.invalid';

/**
 * Returns the path at this hub to which the browser continues after a login; `/` if `wanted` is not
 * such a path. A URL parser treats backslashes as slashes, drops tabs and line breaks, and reads
 * `//host` as another host. So the text is parsed as a URL and used only if it keeps its origin.
 */
export const safeReturnTo = (wanted: unknown): string => {
  if (typeof wanted !== 'string' || !wanted.startsWith('/') || wanted.length > 2048) return '/';
  const url = URL.parse(wanted, BASE);
  if (url?.origin !== BASE) return '/';
  const path = url.pathname + url.search + url.hash;
  // `/.//host` keeps the origin, but the resulting path alone would name another host.
  return path.startsWith('//') ? '/' : path;
};

/**
 * Maximum length of a subject in characters
 * (https://openid.net/specs/openid-connect-core-1_0.html#IDToken).
 */
const MAX_SUBJECT = 255;

/** State of a login in progress. */
interface Pending {
  readonly state: string;
  readonly nonce: string;
  readonly verifier: string;
  readonly returnTo: string;
}

/** Error codes of the library for answers that do not belong to this login. */
const FAILED_CHECKS = new Set([
  'OAUTH_INVALID_RESPONSE',
  'OAUTH_JWT_CLAIM_COMPARISON_FAILED',
  'OAUTH_JSON_ATTRIBUTE_COMPARISON_FAILED',
  'OAUTH_JWT_TIMESTAMP_CHECK_FAILED',
  'OAUTH_KEY_SELECTION_FAILED',
  'OAUTH_UNSUPPORTED_OPERATION',
  'OAUTH_PARSE_ERROR',
]);

const AGAIN = 'Sign in again.';

const explain = (error: unknown): LoginFailed | ProviderUnavailable => {
  if (error instanceof oidc.AuthorizationResponseError)
    return new LoginFailed(`The identity provider refused: ${(error.error_description ?? error.error).slice(0, 200)}. ${AGAIN}`);
  if (error instanceof oidc.ResponseBodyError && error.status < 500)
    return new LoginFailed(`The identity provider refused the login (${error.error.slice(0, 100)}). ${AGAIN}`);
  const code = error instanceof oidc.ClientError ? error.code : undefined;
  if (code !== undefined && FAILED_CHECKS.has(code))
    return new LoginFailed(`What came from the identity provider does not belong to a login that was begun here. ${AGAIN}`);
  return new ProviderUnavailable('The identity provider did not answer in the middle of the login. Try again in a while.');
};

const nameOf = (claims: Record<string, unknown>): string => {
  const names = [claims['preferred_username'], claims['email'], claims['name'], claims['sub']];
  return String(names.find((name) => typeof name === 'string' && name !== '')).slice(0, 200);
};

/** Returns the principal for verified claims. */
export const userOf = (claims: Record<string, unknown>, settings: OidcSettings): Principal =>
  principalOf(
    { kind: 'user', id: String(claims['sub']), name: nameOf(claims) },
    grantsOf(claimValues(claims, settings.rolesClaim), settings),
  );

/** Returns the claims about a person. Many providers return groups only in the user info. */
const claimsOf = async (
  configuration: oidc.Configuration,
  tokens: Awaited<ReturnType<typeof oidc.authorizationCodeGrant>>,
  { rolesClaim }: OidcSettings,
): Promise<Record<string, unknown>> => {
  const claims: Record<string, unknown> = { ...tokens.claims() };
  const { userinfo_endpoint: endpoint } = configuration.serverMetadata();
  if (claimValues(claims, rolesClaim).length > 0 || endpoint === undefined) return claims;
  return { ...(await oidc.fetchUserInfo(configuration, tokens.access_token, String(claims['sub']))), ...claims };
};

const keyOf = ({ issuer, clientId, rolesClaim, roleMap, grants }: OidcSettings): string => {
  // Same key as in older versions if there are no grants, so that an upgrade ends no session.
  const decisive = [issuer, clientId, rolesClaim, [...roleMap], ...(grants.length === 0 ? [] : [grants])];
  return `login:${hashSecret(JSON.stringify(decisive))}`;
};

/** Authorization code flow with PKCE, state and nonce (OpenID Connect Core, RFC 7636, RFC 9700). */
export const createLogin = (settings: OidcSettings, provider: Provider, deps: { publicUrl: string; clock: Clock; logger: Logger }) => {
  const { clock, logger } = deps;
  const redirectUri = new URL('/auth/callback', deps.publicUrl).href;
  const box = createSealedBox<Pending>(clock, LOGIN_MS);

  const openState = async (state: string | undefined): Promise<Pending> => {
    const pending = await box.open(state);
    if (pending !== undefined) return pending;
    throw new LoginFailed(`This browser has begun no login here within the last ${LOGIN_MS / 60_000} minutes. ${AGAIN}`);
  };

  const exchange = async (query: string, pending: Pending): Promise<Record<string, unknown>> => {
    const configuration = await provider.configuration();
    const url = new URL(redirectUri);
    url.search = query;
    try {
      const tokens = await oidc.authorizationCodeGrant(configuration, url, {
        expectedState: pending.state,
        expectedNonce: pending.nonce,
        pkceCodeVerifier: pending.verifier,
        idTokenExpected: true,
      });
      return await claimsOf(configuration, tokens, settings);
    } catch (error) {
      const explained = explain(error);
      // Causes contain claims and answers of the provider, so only the code is logged.
      const code: unknown = Reflect.get(Object(error), 'code') ?? Reflect.get(Object(error), 'error');
      logger.warn({ reason: explained.message, code }, 'login failed');
      throw explained;
    }
  };

  return {
    /**
     * Key of the settings that decide who may log in with which role. Sessions become invalid when
     * they change.
     */
    key: keyOf(settings),
    /** Starts a login. @throws ProviderUnavailable */
    start: async (returnTo: string): Promise<StartedLogin> => {
      const configuration = await provider.configuration();
      const pending: Pending = {
        state: oidc.randomState(),
        nonce: oidc.randomNonce(),
        verifier: oidc.randomPKCECodeVerifier(),
        returnTo,
      };
      const url = oidc.buildAuthorizationUrl(configuration, {
        redirect_uri: redirectUri,
        scope: settings.scopes,
        state: pending.state,
        nonce: pending.nonce,
        code_challenge: await oidc.calculatePKCECodeChallenge(pending.verifier),
        code_challenge_method: 'S256',
      });
      return { url: url.href, state: await box.close(pending) };
    },
    /**
     * Finishes a login.
     *
     * @param query query with which the provider redirected the browser
     * @param state state from the cookie
     * @throws LoginFailed, ProviderUnavailable
     */
    finish: async (query: string, state: string | undefined): Promise<{ principal: Principal; returnTo: string }> => {
      const pending = await openState(state);
      const principal = userOf(await exchange(query, pending), settings);
      if (principal.id.length > MAX_SUBJECT)
        throw new LoginFailed(
          `The identity provider names this person by more than ${MAX_SUBJECT} characters, which OpenID Connect forbids.`,
        );
      return { principal, returnTo: pending.returnTo };
    },
    /** Returns the URL at which the provider ends its own session; null if it publishes none. */
    endSessionUrl: async (): Promise<string | null> => {
      const configuration = await provider.configuration();
      if (configuration.serverMetadata().end_session_endpoint === undefined) return null;
      return oidc.buildEndSessionUrl(configuration).href;
    },
  };
};
