import { CSRF_HEADER, LoginMethods, SessionView, TokenLogin } from '@fso/shared/api';
import type { Request, RequestHandler, Response } from 'express';
import type { z } from 'zod';
import { foreignRequest, type Grant } from '../access/index.ts';
import { createRateLimit } from '../rate-limit.ts';
import { addressOf, type Caller, callerOf, record, setGrant } from './caller.ts';
import { readCookie, setCookie } from './cookies.ts';
import { ownOrigin } from './own-origin.ts';
import { ApiError } from './problems.ts';
import { parseBody, type Route } from './route.ts';
import type { ApiDeps } from './types.ts';

const LOGINS = { burst: 20, perSecond: 0.5, addresses: 10_000 };

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
  if (foreign !== undefined) throw new ApiError('forbidden', `The call is not one of this hub's own pages: ${foreign}.`);
};

/** The static token, or one of `fso tokens create`; a login of a person is none to be handed on. */
const grantOf = async ({ access }: ApiDeps, token: string): Promise<Grant> => {
  const checked = await access.check({ authorization: `Bearer ${token}`, session: undefined });
  if (!checked.ok) throw new ApiError('unauthorized', checked.detail);
  if (checked.grant.principal.kind !== 'local' && checked.grant.principal.kind !== 'token')
    throw new ApiError('unauthorized', 'This is a login, not an API token: sign in at /auth/login.');
  return checked.grant;
};

const beginSession = async (deps: ApiDeps, source: Grant, req: Request, res: Response): Promise<void> => {
  const { sessions } = deps.access;
  const old = readCookie(deps, req, 'fso');
  if (old !== undefined) await sessions.end(old);
  const { principal, key, expiresAt } = source;
  const id = await sessions.begin(principal, { byCookie: true, source: key, endsAt: expiresAt ?? undefined });
  const grant = sessions.check(id, { byCookie: true });
  if (grant !== undefined) setGrant(res, grant);
  const caller = callerOf(req, res);
  await record(deps, caller, { action: 'login', outcome: 'done', detail: 'by an API token' });
  setCookie(deps, res, 'fso', { value: id });
  res.json(sessionView(caller));
};

const signIn = (deps: ApiDeps): RequestHandler => {
  const allows = createRateLimit(deps.clock, LOGINS);
  return async (req, res) => {
    if (!allows(addressOf(req))) throw new ApiError('too-many-requests', 'Too many logins from this address.', { 'Retry-After': '2' });
    if (deps.access.asksNobody) throw new ApiError('not-found', 'This hub asks nobody who they are: there is nothing to sign in to.');
    assertOwnPage(deps, req);
    const { token } = await parseBody(TokenLogin, req, res);
    await beginSession(deps, await grantOf(deps, token), req, res);
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
    problems: ['bad-request', 'unauthorized', 'forbidden', 'not-found', 'too-large', 'too-many-requests'],
    handler: signIn,
  },
];
