import { CSRF_HEADER, LoginMethods, SessionView, TokenLogin } from '@fso/shared/api';
import type { Request, RequestHandler } from 'express';
import type { z } from 'zod';
import { foreignRequest, type Grant } from '../../access/index.ts';
import { ownOrigin } from '../http/own-origin.ts';
import { ApiError } from '../http/problems.ts';
import { parseBody, type Route } from '../http/route.ts';
import type { ApiDeps } from '../types.ts';
import { beginBrowserSession, createLoginLimit } from './browser-session.ts';
import type { Caller } from './caller.ts';
import { loginError } from './login-error.ts';

export const sessionView = ({ principal, expiresAt }: Pick<Caller, 'principal' | 'expiresAt'>): z.infer<typeof SessionView> => ({
  ...principal,
  expiresAt: expiresAt === null ? null : new Date(expiresAt).toISOString(),
});

const showMethods =
  (deps: ApiDeps): RequestHandler =>
  (req, res) => {
    const { asksNobody, login } = deps.access;
    const token = !asksNobody && ownOrigin(deps, req) !== '';
    res.json({ provider: login !== undefined, token, anonymous: asksNobody } satisfies z.infer<typeof LoginMethods>);
  };

/** A page of elsewhere must not sign its visitor in as somebody else (login CSRF), though no cookie is there yet to ride on. */
const assertOwnPage = (deps: ApiDeps, req: Request): void => {
  const own = ownOrigin(deps, req);
  if (own === '')
    throw new ApiError('forbidden', `To sign in from a browser at ${req.hostname}, the hub needs its address in FSO_PUBLIC_URL.`);
  const said = { origin: req.get('Origin'), site: req.get('Sec-Fetch-Site'), proof: req.get(CSRF_HEADER) };
  const foreign = foreignRequest(said, own);
  if (foreign === undefined) return;
  deps.countFailure(req, 'csrf');
  throw new ApiError('forbidden', `The call is not one of this hub's own pages: ${foreign}.`);
};

/** The static token, or one of `fso tokens create`; a login of a person is none to be handed on. */
const grantOf = async ({ access, countFailure }: ApiDeps, token: string, req: Request): Promise<Grant> => {
  const checked = await access.check({ authorization: `Bearer ${token}`, session: undefined }).catch((error: unknown) => {
    throw loginError(error);
  });
  if (!checked.ok) {
    countFailure(req, checked.reason);
    throw new ApiError('unauthorized', checked.detail);
  }
  if (checked.grant.principal.kind !== 'local' && checked.grant.principal.kind !== 'token')
    throw new ApiError('unauthorized', 'This is a login, not an API token: sign in at /auth/login.');
  return checked.grant;
};

const signIn = (deps: ApiDeps): RequestHandler => {
  const limit = createLoginLimit(deps);
  return async (req, res) => {
    limit(req);
    if (deps.access.asksNobody) throw new ApiError('not-found', 'This hub asks nobody who they are: there is nothing to sign in to.');
    assertOwnPage(deps, req);
    const { token } = await parseBody(TokenLogin, req, res);
    const { principal, key: source, expiresAt } = await grantOf(deps, token, req);
    const start = { principal, source, endsAt: expiresAt ?? undefined, detail: 'by an API token' };
    res.json(sessionView(await beginBrowserSession(deps, start, req, res)));
  };
};

/** How one comes in, and the way in with an API token, for browsers. */
export const tokenLoginRoutes: readonly Route[] = [
  {
    method: 'get',
    path: '/auth/methods',
    operationId: 'getLoginMethods',
    summary: 'How one can sign in',
    tag: 'access',
    access: 'open',
    response: { status: 200, description: 'The ways in that this hub has.', schema: LoginMethods },
    problems: [],
    handler: showMethods,
  },
  {
    method: 'post',
    path: '/auth/token',
    operationId: 'tokenLogin',
    summary: 'Trades an API token for a session of a browser',
    description: `For pages of this hub: needs the header ${CSRF_HEADER} and an own Origin. The session is a cookie, and ends with the token at the latest.`,
    tag: 'access',
    access: 'open',
    body: TokenLogin,
    response: { status: 200, description: 'Signed in, by a cookie; who that is.', schema: SessionView },
    problems: ['bad-request', 'unauthorized', 'forbidden', 'not-found', 'too-large', 'too-many-requests', 'login-unavailable'],
    handler: signIn,
  },
];
