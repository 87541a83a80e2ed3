import { CLI_SESSION } from '@fso/shared/api';
import { type Runtime, type Secret, secretText } from '@fso/shared/runtime';
import type { KeyedStore } from '../ledger/index.ts';
import { type BearerVerifier, createBearer, isJwt } from './bearer.ts';
import { createCliLogin } from './codes/cli-login.ts';
import { createLoginLinks } from './codes/login-links.ts';
import { createLogin } from './login.ts';
import { type Grant, type Principal, principalOf, Revocations } from './principal.ts';
import { createProvider, type OidcSettings } from './provider.ts';
import { digestOfSecret, sameSecret } from './secrets.ts';
import { createSessionStore } from './session-store.ts';
import { createSessions, type Sessions } from './sessions.ts';
import { createTokenStore, createTokens, isApiToken, type Tokens } from './tokens.ts';

/** Ways to sign in, and the address at which browsers do. */
export interface AccessSettings {
  /** Static token with the role of an administrator. */
  readonly apiToken?: Secret | undefined;
  readonly oidc?: OidcSettings | undefined;
  /** Address at which browsers reach the hub; required with `oidc`. */
  readonly publicUrl?: string | undefined;
}

/** Store, clock and logger of all ways to sign in. */
export interface AccessDeps extends Pick<Runtime, 'clock' | 'logger'> {
  /** Store of API tokens and sessions. */
  readonly records: KeyedStore;
}

/** Credentials of a request. */
export interface Credentials {
  /** The header Authorization. */
  readonly authorization: string | undefined;
  /** Id of the session in the cookie. */
  readonly session: string | undefined;
}

/**
 * Result of checking the credential of a call. `missing`: the call has none. `invalid`: it is
 * unknown, expired or revoked.
 */
export type CredentialCheck =
  | { readonly ok: true; readonly grant: Grant }
  | { readonly ok: false; readonly reason: 'missing' | 'invalid'; readonly detail: string };

const BEARER = /^Bearer +(\S+)$/i;
const LOCAL = principalOf({ kind: 'local', id: 'local', name: 'local' }, [{ role: 'admin' }]);
const ANONYMOUS = principalOf({ kind: 'anonymous', id: 'anonymous', name: 'anonymous' }, [{ role: 'viewer' }]);

const lasting = (principal: Principal, key = principal.id, stillHolds = async (): Promise<boolean> => true): Grant => ({
  principal,
  key,
  byCookie: false,
  expiresAt: null,
  stillHolds,
});

const invalid = (detail: string): CredentialCheck => ({ ok: false, reason: 'invalid', detail });
const granted = (grant: Grant | undefined, otherwise: string): CredentialCheck =>
  grant === undefined ? invalid(otherwise) : { ok: true, grant };
const LOGIN_ENDED = 'The login has ended: sign in again.';
const CLI_LOGIN_ENDED = 'The login of the command line has ended: fso login.';

/**
 * Accepts a session only while the credential that it depends on is valid: another hub may have
 * revoked it, or this hub may have restarted with other settings.
 */
const ofSession = async (grant: Grant | undefined, otherwise: string): Promise<CredentialCheck> =>
  granted((await grant?.stillHolds()) === true ? grant : undefined, otherwise);

/** Static token, whose secret may be replaced while the hub runs. */
class StaticToken {
  readonly #secret: Secret;
  #known: { readonly text: string; readonly key: Promise<string> } | undefined;

  constructor(secret: Secret) {
    this.#secret = secret;
  }

  matches(token: string): boolean {
    return sameSecret(token, secretText(this.#secret));
  }

  /**
   * Compares a token with a snapshot of the secret.
   *
   * @returns the key of its grants; undefined: it is another token
   */
  async keyOf(token: string): Promise<string | undefined> {
    const text = secretText(this.#secret);
    return sameSecret(token, text) ? this.#keyOf(text) : undefined;
  }

  /** Key of its grants, and of the sessions that were created with it. */
  key(): Promise<string> {
    return this.#keyOf(secretText(this.#secret));
  }

  /** Computes the key of each text once, for concurrent and later callers. Retries a failure. */
  #keyOf(text: string): Promise<string> {
    if (this.#known?.text === text) return this.#known.key;
    const known = { text, key: digestOfSecret(text).then((digest) => `static:${digest}`) };
    known.key.catch(() => {
      if (this.#known === known) this.#known = undefined;
    });
    this.#known = known;
    return known.key;
  }
}

interface BearerDeps {
  readonly staticToken: StaticToken | undefined;
  readonly tokens: Tokens;
  readonly sessions: Sessions;
  readonly bearer: BearerVerifier | undefined;
}

/** Checks the token of a `Bearer` header. Its format tells its kind. */
const createBearerCheck = ({ staticToken, tokens, sessions, bearer }: BearerDeps) => {
  const known = async (token: string): Promise<CredentialCheck> => {
    const key = await staticToken?.keyOf(token);
    if (key !== undefined) return { ok: true, grant: lasting(LOCAL, key, async () => (await staticToken?.keyOf(token)) === key) };
    if (isApiToken(token)) return granted(await tokens.check(token), 'The API token is unknown, revoked or expired.');
    if (!token.startsWith(CLI_SESSION)) return invalid('The token is not one of this hub.');
    return ofSession(sessions.check(token.slice(CLI_SESSION.length), { byCookie: false }), CLI_LOGIN_ENDED);
  };
  const ofProvider = (token: string, { check }: BearerVerifier): Promise<CredentialCheck> =>
    check(token).then((grant) =>
      granted(grant, 'The access token is not one of the identity provider for this hub, or is no longer good.'),
    );

  return async (authorization: string): Promise<CredentialCheck> => {
    const token = BEARER.exec(authorization)?.[1];
    if (token === undefined) return invalid('Send the header Authorization: Bearer <token>.');
    return bearer !== undefined && isJwt(token) && staticToken?.matches(token) !== true ? ofProvider(token, bearer) : known(token);
  };
};

/**
 * Enables every way to sign in that is configured. Without any, everyone who can reach the hub may
 * read, and nobody may change anything.
 */
export const createAccess = (settings: AccessSettings, deps: AccessDeps) => {
  const { clock, logger } = deps;
  const { oidc, publicUrl } = settings;
  const revocations = new Revocations();
  const tokens = createTokens(createTokenStore(deps.records), { clock, revocations, logger });
  const provider = oidc && createProvider(oidc, { clock, logger });
  const bearer = oidc?.audience !== undefined && provider ? createBearer({ ...oidc, audience: oidc.audience }, provider, clock) : undefined;
  const login = oidc && provider && publicUrl !== undefined ? createLogin(oidc, provider, { publicUrl, clock, logger }) : undefined;
  const staticToken = settings.apiToken === undefined ? undefined : new StaticToken(settings.apiToken);
  const holds = async (source: string): Promise<boolean> =>
    source === login?.key || source === (await staticToken?.key()) || tokens.holds(source);
  const sessions = createSessions({
    store: createSessionStore(deps.records),
    holds,
    clock,
    revocations,
    logger,
  });
  const checkBearer = createBearerCheck({ staticToken, tokens, sessions, bearer });
  const isOpen = settings.apiToken === undefined && oidc === undefined;

  return {
    tokens,
    sessions,
    cliLogin: createCliLogin(sessions, clock),
    links: createLoginLinks(deps.records, clock, holds),
    /** Login at the identity provider; undefined without one. */
    login,
    revocations,
    /** Whether the hub runs without authentication, so that everyone who can reach it may read. */
    allowsAnonymous: isOpen,
    /** Origin at which browsers reach the hub. */
    publicOrigin: publicUrl === undefined ? undefined : new URL(publicUrl).origin,
    /** Checks the credentials of a request. @throws ProviderUnavailable */
    check: async ({ authorization, session }: Credentials): Promise<CredentialCheck> => {
      if (authorization !== undefined) return checkBearer(authorization);
      if (isOpen) return { ok: true, grant: lasting(ANONYMOUS) };
      if (session !== undefined) return ofSession(sessions.check(session, { byCookie: true }), LOGIN_ENDED);
      const ways = login === undefined ? '' : ', or sign in at /auth/login';
      return { ok: false, reason: 'missing', detail: `Send the header Authorization: Bearer <token>${ways}.` };
    },
  };
};

/** Authentication of callers by any of the configured credentials. */
export type Access = ReturnType<typeof createAccess>;
