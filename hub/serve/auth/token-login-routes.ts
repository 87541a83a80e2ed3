import { CSRF_HEADER, LoginMethods, SessionView, TokenLogin } from '@fso/shared/api';
import type { Request, RequestHandler } from 'express';
import type { z } from 'zod';
import type { Grant } from '../../access/index.ts';
import type { Caller } from '../http/caller.ts';
import { ApiError } from '../http/problems.ts';
import { ANONYMOUS_CALL, type HubScope, parseBody, type Route } from '../http/route.ts';
import { beginBrowserSession, type LoginDeps } from './browser-session.ts';
import { toLoginError } from './login-problems.ts';
import { describeForeignCall, ownOrigin } from './own-page.ts';

/** Converts the caller to its view in the API. */
export const sessionView = ({ principal, expiresAt }: Pick<Caller, 'principal' | 'expiresAt'>): z.infer<typeof SessionView> => ({
  ...principal,
  grants: [...principal.grants],
  expiresAt: expiresAt === null ? null : new Date(expiresAt).toISOString(),
});

const showMethods =
  (deps: LoginDeps): RequestHandler =>
  (req, res) => {
    const { allowsAnonymous, login } = deps.access;
    const token = !allowsAnonymous && ownOrigin(deps, req) !== '';
    res.json({ provider: login !== undefined, token, anonymous: allowsAnonymous } satisfies z.infer<typeof LoginMethods>);
  };

/**
 * Refuses foreign pages, which could sign their visitor in under another name (login CSRF). This
 * needs no cookie.
 */
const assertOwnPage = (deps: LoginDeps, req: Request): void => {
  const own = ownOrigin(deps, req);
  if (own === '')
    throw new ApiError('forbidden', `To sign in from a browser at ${req.hostname}, the hub needs its address in FSO_PUBLIC_URL.`);
  const foreign = describeForeignCall(req, own);
  if (foreign === undefined) return;
  deps.countFailure(req, 'csrf');
  throw new ApiError('forbidden', foreign);
};

/**
 * Accepts the static token and API tokens. The login of a person cannot be transferred to a
 * browser.
 */
const grantOf = async ({ access, countFailure }: LoginDeps, token: string, req: Request): Promise<Grant> => {
  const checked = await access.check({ authorization: `Bearer ${token}`, session: undefined }).catch((error: unknown) => {
    throw toLoginError(error);
  });
  if (!checked.ok) {
    countFailure(req, checked.reason);
    throw new ApiError('unauthorized', checked.detail);
  }
  if (checked.grant.principal.kind !== 'local' && checked.grant.principal.kind !== 'token')
    throw new ApiError('unauthorized', 'This is a login, not an API token: sign in at /auth/login.');
  return checked.grant;
};

const signIn =
  (deps: LoginDeps): RequestHandler =>
  (req, res) =>
    deps.logins.attempt(req, async () => {
      if (deps.access.allowsAnonymous) throw new ApiError('not-found', 'This hub runs without authentication; no sign-in is needed.');
      assertOwnPage(deps, req);
      const { token } = await parseBody(TokenLogin, req, res);
      const { principal, key: source, expiresAt } = await grantOf(deps, token, req);
      const start = { principal, source, endsAt: expiresAt ?? undefined, detail: 'by an API token' };
      res.json(sessionView(await beginBrowserSession(deps, start, req, res)));
    });

/** Routes that list the ways to sign in, and sign a browser in with an API token. */
export const tokenLoginRoutes: readonly Route<LoginDeps, HubScope>[] = [
  {
    ...ANONYMOUS_CALL,
    method: 'get',
    path: '/auth/methods',
    operationId: 'getLoginMethods',
    summary: 'How one can sign in',
    tag: 'access',
    response: { status: 200, description: 'The ways in that this hub has.', schema: LoginMethods },
    handler: showMethods,
  },
  {
    ...ANONYMOUS_CALL,
    method: 'post',
    path: '/auth/token',
    operationId: 'tokenLogin',
    summary: 'Trades an API token for a session of a browser',
    description: `For pages of this hub: needs the header ${CSRF_HEADER} and an own Origin. The session is a cookie, and ends with the token at the latest.`,
    tag: 'access',
    body: TokenLogin,
    response: { status: 200, description: 'Signed in, by a cookie; who that is.', schema: SessionView },
    problems: ['bad-request', 'unauthorized', 'forbidden', 'not-found', 'too-large', 'too-many-requests', 'login-unavailable'],
    handler: signIn,
  },
];
