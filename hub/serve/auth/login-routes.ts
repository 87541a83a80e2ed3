import { CLI_SESSION, LogoutView, SessionView } from '@fso/shared/api';
import type { Request, RequestHandler, Response } from 'express';
import { z } from 'zod';
import { type Access, LOGIN_MS, safeReturnTo } from '../../access/index.ts';
import { callerOf } from '../http/caller.ts';
import { clearCookie, readCookie, setCookie } from '../http/cookies.ts';
import { ApiError } from '../http/problems.ts';
import { ANONYMOUS_CALL, type HubScope, jsonRoute, type Route } from '../http/route.ts';
import { beginBrowserSession, type LoginDeps } from './browser-session.ts';
import { loginStep } from './login-problems.ts';
import { sessionView, tokenLoginRoutes } from './token-login-routes.ts';

/** Returns the login at the identity provider. @throws ApiError `not-found` if the hub has none */
export const loginOf = ({ access }: LoginDeps): NonNullable<Access['login']> => {
  if (access.login !== undefined) return access.login;
  throw new ApiError('not-found', 'This hub has no identity provider (FSO_OIDC_ISSUER). Use an API token.');
};

/** Wraps a step of a login with its limits. */
const limitedStep = ({ logins }: LoginDeps, step: (req: Request, res: Response) => Promise<void>): RequestHandler =>
  loginStep((req, res) => logins.attempt(req, () => step(req, res)));

const startLogin = (deps: LoginDeps): RequestHandler =>
  limitedStep(deps, async (req, res) => {
    const { url, state } = await loginOf(deps).start(safeReturnTo(req.query['returnTo']));
    setCookie(deps, res, 'fso-login', { value: state, maxAgeMs: LOGIN_MS });
    res.redirect(302, url);
  });

const finishLogin = (deps: LoginDeps): RequestHandler =>
  limitedStep(deps, async (req, res) => {
    const state = readCookie(deps, req, 'fso-login');
    // Valid for one attempt, whatever its result.
    clearCookie(deps, res, 'fso-login');
    const login = loginOf(deps);
    const { principal, returnTo } = await login.finish(new URL(req.originalUrl, 'http://hub').search, state);
    await beginBrowserSession(deps, { principal, source: login.key }, req, res);
    res.redirect(303, returnTo);
  });

const endSession = ({ access }: LoginDeps): Promise<string | null> =>
  // The hub's own session has ended. If the provider does not answer, its session stays.
  access.login?.endSessionUrl().catch(() => null) ?? Promise.resolve(null);

const logout =
  (deps: LoginDeps): RequestHandler =>
  async (req, res) => {
    const { sessions } = deps.access;
    const bearer = /^Bearer +(\S+)$/i.exec(req.get('Authorization') ?? '')?.[1];
    if (bearer?.startsWith(CLI_SESSION)) await sessions.end(bearer.slice(CLI_SESSION.length));
    const cookie = readCookie(deps, req, 'fso');
    if (bearer === undefined && cookie !== undefined) await sessions.end(cookie);
    clearCookie(deps, res, 'fso');
    await callerOf(res).audit('logout', 'done');
    res.json({ endSessionUrl: await endSession(deps) } satisfies z.infer<typeof LogoutView>);
  };

/** Routes for logging in through the identity provider. */
export const loginRoutes: readonly Route<LoginDeps, HubScope>[] = [
  {
    ...ANONYMOUS_CALL,
    method: 'get',
    path: '/auth/login',
    operationId: 'login',
    summary: 'Sends a browser to the identity provider',
    tag: 'access',
    query: z.object({ returnTo: z.string().optional().describe('Path of this hub where the login goes on.') }),
    response: { status: 302, description: 'To the provider.', contentType: 'text/html' },
    problems: ['not-found', 'login-unavailable', 'too-many-requests'],
    handler: startLogin,
  },
  {
    ...ANONYMOUS_CALL,
    method: 'get',
    path: '/auth/callback',
    operationId: 'loginCallback',
    summary: 'Where the identity provider sends the browser back to',
    tag: 'access',
    response: { status: 303, description: 'Signed in, by a cookie; on to where the login was meant to go.', contentType: 'text/html' },
    problems: ['login-failed', 'not-found', 'login-unavailable', 'too-many-requests'],
    handler: finishLogin,
  },
  {
    method: 'post',
    path: '/auth/logout',
    operationId: 'logout',
    summary: 'Ends the session',
    tag: 'access',
    access: 'signed-in',
    scope: 'public',
    response: { status: 200, description: 'It has ended.', schema: LogoutView },
    handler: logout,
  },
  ...tokenLoginRoutes,
  jsonRoute(
    {
      method: 'get',
      path: '/auth/session',
      operationId: 'getSession',
      summary: 'Who am I',
      tag: 'access',
      access: 'signed-in',
      scope: 'public',
    },
    { schema: SessionView, description: 'The caller, as the hub knows it.' },
    async (_deps, { caller }) => sessionView(caller),
  ),
];
