import type { Clock } from '@fso/shared/runtime';
import { createRemoteJWKSet, customFetch, errors, type JWTVerifyGetKey, type JWTVerifyResult, jwtVerify } from 'jose';
import { userOf } from './login.ts';
import type { Grant } from './principal.ts';
import { fetchFromProvider, type OidcSettings, type Provider, ProviderUnavailable } from './provider.ts';
import { hashSecret } from './secrets.ts';

/** Signature algorithms that only the provider can use: no shared secrets, and not "none". */
const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'];

/**
 * Permitted values of `typ` in the header of an access token (RFC 9068). Other JWTs, such as logout
 * tokens, have other types.
 */
const TYPES = new Set(['jwt', 'at+jwt', 'application/at+jwt']);

const CLOCK_TOLERANCE_S = 30;

/** Whether a bearer token looks like a JWT. Nothing is verified. */
export const isJwt = (text: string): boolean => /^[\w-]+\.[\w-]+\.[\w-]+$/.test(text);

/** Whether the token itself is invalid, as opposed to an error of fetching the keys. */
const isRefusal = (error: unknown): boolean =>
  error instanceof errors.JOSEError &&
  !(error instanceof errors.JWKSTimeout) &&
  !(error instanceof errors.JWKSInvalid) &&
  error.code !== 'ERR_JOSE_GENERIC';

/**
 * Creates the verifier of access tokens: JWTs of the provider with this hub as audience, verified
 * by the provider's keys.
 */
export const createBearer = (settings: OidcSettings & { audience: string }, provider: Provider, clock: Clock) => {
  let keys: { url: string; get: JWTVerifyGetKey } | undefined;
  const keysAt = (url: string): JWTVerifyGetKey => {
    // jose fetches the keys again if one is unknown, at most every 30 s, and at least every 10
    // minutes.
    if (keys?.url !== url) keys = { url, get: createRemoteJWKSet(new URL(url), { [customFetch]: fetchFromProvider }) };
    return keys.get;
  };

  const verify = async (token: string): Promise<JWTVerifyResult> => {
    const { issuer, jwks_uri: url } = (await provider.configuration()).serverMetadata();
    if (url === undefined) throw new ProviderUnavailable('The identity provider does not say where its keys are.');
    return jwtVerify(token, keysAt(url), {
      issuer,
      audience: settings.audience,
      algorithms: ALGORITHMS,
      requiredClaims: ['exp', 'sub'],
      clockTolerance: CLOCK_TOLERANCE_S,
      currentDate: clock.now(),
    });
  };

  const verified = async (token: string): Promise<JWTVerifyResult | undefined> => {
    try {
      return await verify(token);
    } catch (error) {
      if (isRefusal(error)) return undefined;
      if (error instanceof ProviderUnavailable) throw error;
      throw new ProviderUnavailable('The keys of the identity provider cannot be read, so its tokens cannot be checked now.', {
        cause: error,
      });
    }
  };

  return {
    /**
     * @returns undefined for a token that is not from the provider, not for this hub, or no longer
     * valid
     * @throws ProviderUnavailable if its keys cannot be fetched
     */
    check: async (token: string): Promise<Grant | undefined> => {
      const result = await verified(token);
      if (result === undefined || !TYPES.has((result.protectedHeader.typ ?? 'jwt').toLowerCase())) return undefined;
      const expiresAt = ((result.payload.exp ?? 0) + CLOCK_TOLERANCE_S) * 1000;
      return {
        principal: userOf(result.payload, settings),
        key: `jwt:${hashSecret(token)}`,
        byCookie: false,
        expiresAt,
        stillHolds: async () => clock.now().getTime() < expiresAt,
      };
    },
  };
};

/** Verifies bearer tokens of the identity provider. */
export type BearerVerifier = ReturnType<typeof createBearer>;
