import { CLI_SESSION, CliLoginRequest, CliLoginView } from '@fso/shared/api';
import { escapeHtml } from '@fso/shared/encoding';
import type { Request, RequestHandler } from 'express';
import { z } from 'zod';
import type { Grant } from '../../access/index.ts';
import { callerOf } from '../http/caller.ts';
import { readCookie } from '../http/cookies.ts';
import { ApiError } from '../http/problems.ts';
import { ANONYMOUS_CALL, type HubScope, jsonRoute, parseFormField, type Route } from '../http/route.ts';
import type { LoginDeps } from './browser-session.ts';
import { loginStep } from './login-problems.ts';
import { loginOf } from './login-routes.ts';
import { foreignForm } from './own-page.ts';

const CliQuery = z.strictObject({
  port: z
    .string()
    .regex(/^\d{4,5}$/)
    .transform(Number)
    .pipe(z.int().min(1024).max(65_535))
    .describe('Of 127.0.0.1, where the command waits.'),
  challenge: z
    .string()
    .regex(/^[\w-]{43}$/)
    .describe('SHA-256 of the secret of the command, base64url.'),
  state: z
    .string()
    .regex(/^[\w-]{16,128}$/)
    .describe('Given back as it is.'),
});

/**
 * Returns the session of a person. A session that was exchanged for a token cannot start another
 * one, which would outlive the token.
 */
const sessionOf = (deps: LoginDeps, req: Request): Grant | undefined => {
  const id = readCookie(deps, req, 'fso');
  const grant = id === undefined ? undefined : deps.access.sessions.check(id, { byCookie: true });
  return grant?.principal.kind === 'user' ? grant : undefined;
};

const page = (grant: Grant, form: string): string => {
  const { name, role } = grant.principal;
  const who = `${escapeHtml(name)} (${role ?? 'without a role'})`;
  return `<!doctype html><html lang="en"><meta charset="utf-8"><title>Log in to fso</title><h1>Log in to fso</h1>
<p>The command <code>fso login</code> on this computer wants to act as ${who}, until your login ends.</p>
<p>Have you just started it yourself? If not, close this page.</p>
<form method="post" action="/auth/cli"><input type="hidden" name="form" value="${escapeHtml(form)}"><button>Allow</button></form></html>
`;
};

/**
 * Content security policy: the page may send its form to this hub, and be redirected to the
 * command.
 */
const formPolicy = (port: number): string =>
  `default-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self' http://127.0.0.1:${port}`;

const askPerson =
  (deps: LoginDeps): RequestHandler =>
  async (req, res) => {
    loginOf(deps);
    const query = CliQuery.safeParse(req.query);
    if (!query.success) throw new ApiError('bad-request', 'This is not a link of fso login.');
    const grant = sessionOf(deps, req);
    if (grant === undefined) return res.redirect(302, `/auth/login?returnTo=${encodeURIComponent(req.originalUrl)}`);
    const form = await deps.access.cliLogin.ask(query.data, grant);
    res.setHeader('Content-Security-Policy', formPolicy(query.data.port));
    res.type('html').send(page(grant, form));
  };

/**
 * Handles the form. A form cannot send a custom header, so it returns a secret that was issued to
 * this session with the page.
 */
const allow = (deps: LoginDeps): RequestHandler =>
  loginStep(async (req, res) => {
    const foreign = foreignForm({ origin: req.get('Origin'), site: req.get('Sec-Fetch-Site') }, deps.access.publicOrigin ?? '');
    if (foreign !== undefined) throw new ApiError('forbidden', `The form is not one of this hub's own pages: ${foreign}.`);
    const grant = sessionOf(deps, req);
    const form = await parseFormField('form', req, res);
    if (grant !== undefined) deps.logins.count(grant.principal);
    const target = grant && (await deps.access.cliLogin.approve(form, grant));
    if (grant === undefined || target === undefined) throw new ApiError('login-failed', 'The page is too old: start fso login again.');
    const caller = callerOf(res);
    caller.signIn(grant);
    await caller.audit('allowCliLogin', 'done');
    res.redirect(303, target);
  });

const exchangeRoute = (): Route<LoginDeps, HubScope> => {
  const route: Route<LoginDeps, HubScope> = jsonRoute(
    {
      ...ANONYMOUS_CALL,
      method: 'post',
      path: '/auth/cli/token',
      operationId: 'cliToken',
      summary: 'Gives the command line the session that a person allowed',
      tag: 'access',
      body: CliLoginRequest,
      problems: ['login-failed', 'too-many-requests'],
    },
    { schema: CliLoginView, description: 'The session, as a bearer token.' },
    async ({ access }, { body }) => {
      const id = await access.cliLogin.exchange(body.code, body.verifier);
      if (id === undefined) throw new ApiError('login-failed', 'The code is unknown, used or too old: start fso login again.');
      return { token: CLI_SESSION + id };
    },
  );
  const handler = (deps: LoginDeps): RequestHandler => {
    const answer = route.handler(deps);
    return (req, res, next) => deps.logins.attempt(req, async () => void (await answer(req, res, next)));
  };
  return { ...route, handler };
};

/**
 * Routes of `fso login`: the command waits on a local port, the person confirms in the browser, and
 * the command gets a session.
 */
export const cliLoginRoutes: readonly Route<LoginDeps, HubScope>[] = [
  {
    ...ANONYMOUS_CALL,
    method: 'get',
    path: '/auth/cli',
    operationId: 'askCliLogin',
    summary: 'Asks a person whether the command line may act for it',
    tag: 'access',
    query: CliQuery,
    response: { status: 200, description: 'The question; to the login first, where there is none.', contentType: 'text/html' },
    problems: ['bad-request', 'not-found'],
    handler: askPerson,
  },
  {
    ...ANONYMOUS_CALL,
    method: 'post',
    path: '/auth/cli',
    operationId: 'allowCliLogin',
    summary: 'The person allows it',
    tag: 'access',
    response: { status: 303, description: 'On to the command, with a code.', contentType: 'text/html' },
    problems: ['forbidden', 'login-failed', 'too-large', 'too-many-requests'],
    handler: allow,
  },
  exchangeRoute(),
];
