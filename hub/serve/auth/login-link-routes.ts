import { createHash } from 'node:crypto';
import { LoginLinkView } from '@fso/shared/api';
import type { RequestHandler } from 'express';
import { ApiError } from '../http/problems.ts';
import { ANONYMOUS_CALL, type HubScope, jsonRoute, parseFormField, type Route } from '../http/route.ts';
import { beginBrowserSession, type LoginDeps } from './browser-session.ts';
import { loginStep } from './login-problems.ts';
import { foreignForm, ownOrigin } from './own-page.ts';

/**
 * Script that moves the code from the URL fragment to the form. Browsers do not send fragments, so
 * the code appears in no log and no link preview. It is also removed from the history.
 */
const SCRIPT = `const code = location.hash.slice(1);
history.replaceState(null, '', location.pathname);
document.querySelector('[name=code]').value = code;
document.querySelector('button').disabled = code === '';`;

const PAGE = `<!doctype html><html lang="en"><meta charset="utf-8"><title>Sign in</title><h1>Sign in</h1>
<p>This page signs you in with the link that <code>fso login-link</code> made. A link is good once, and for ten minutes.</p>
<p>Have you just made it yourself, or got it from the administrator of this hub? If not, close this page.</p>
<form method="post" action="/auth/link"><input type="hidden" name="code"><button disabled>Sign in</button></form>
<noscript><p>The page needs JavaScript.</p></noscript>
<script>${SCRIPT}</script></html>
`;

/** Content security policy: the page runs its own script and sends its form to this hub. */
const PAGE_POLICY = [
  "default-src 'none'",
  `script-src 'sha256-${createHash('sha256').update(SCRIPT).digest('base64')}'`,
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join(';');

const showPage = (): RequestHandler => (_req, res) => {
  res.setHeader('Content-Security-Policy', PAGE_POLICY);
  res.type('html').send(PAGE);
};

const USED = 'The link is unknown, used or older than ten minutes, or what made it has ended: make another one with fso login-link.';

/**
 * Redeems a code. The form must come from the hub's own page: a foreign page could sign its visitor
 * in under another name (login CSRF).
 */
const redeem = (deps: LoginDeps): RequestHandler =>
  loginStep((req, res) =>
    deps.logins.attempt(req, async () => {
      const foreign = foreignForm({ origin: req.get('Origin'), site: req.get('Sec-Fetch-Site') }, ownOrigin(deps, req));
      if (foreign !== undefined) {
        deps.countFailure(req, 'csrf');
        throw new ApiError('forbidden', `The form is not one of this hub's own pages: ${foreign}.`);
      }
      const login = await deps.access.links.redeem(await parseFormField('code', req, res));
      if (login === undefined) {
        deps.countFailure(req, 'invalid');
        throw new ApiError('login-failed', USED);
      }
      await beginBrowserSession(deps, { ...login, detail: 'by a login link' }, req, res);
      res.redirect(303, '/');
    }),
  );

/**
 * Routes of `fso login-link`: a page with a button that signs in anyone with the link, as the
 * token that created it.
 */
export const loginLinkRoutes: readonly Route<LoginDeps, HubScope>[] = [
  jsonRoute(
    {
      method: 'post',
      path: '/api/v1/login-links',
      operationId: 'createLoginLink',
      summary: 'Makes a link that signs a browser in once',
      description: 'For the static token and API tokens, whose role and scope the session has; it ends with the token at the latest.',
      tag: 'access',
      access: 'signed-in',
      scope: 'public',
      problems: ['too-many-requests'],
    },
    { schema: LoginLinkView, description: 'The code of the link, which only this answer holds.', status: 201 },
    async ({ access, logins }: LoginDeps, { caller }) => {
      const { grant } = caller;
      const isToken = grant?.principal.kind === 'local' || grant?.principal.kind === 'token';
      if (grant === undefined || !isToken || grant.byCookie)
        throw new ApiError('forbidden', 'A login is not handed on: make the link with the static token or an API token.');
      logins.countLink(grant.principal);
      const { code, until } = await access.links.make(grant);
      const expiresAt = new Date(until).toISOString();
      caller.about(grant.principal.id, `until ${expiresAt}`);
      return { code, origin: access.publicOrigin ?? null, expiresAt };
    },
  ),
  {
    ...ANONYMOUS_CALL,
    method: 'get',
    path: '/auth/link',
    operationId: 'showLoginLink',
    summary: 'The page of a link, with a button that uses it',
    tag: 'access',
    response: {
      status: 200,
      description: 'The same page for every link: the code stands behind #, and is not sent.',
      contentType: 'text/html',
    },
    handler: showPage,
  },
  {
    ...ANONYMOUS_CALL,
    method: 'post',
    path: '/auth/link',
    operationId: 'redeemLoginLink',
    summary: 'Trades the code of a link for a session of a browser',
    description: 'For the form of GET /auth/link, with the field `code`. The code is used up.',
    tag: 'access',
    response: { status: 303, description: 'Signed in, by a cookie; on to the dashboard.', contentType: 'text/html' },
    problems: ['forbidden', 'login-failed', 'too-large', 'too-many-requests'],
    handler: redeem,
  },
];
