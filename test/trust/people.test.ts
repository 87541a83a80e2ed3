/** Access of people and programs to the hub, with a real identity provider: sign-in, roles and refusals. */
import { join } from 'node:path';
import { ClusterPage, CreatedToken, LogoutView, type Role, SessionView } from '@fso/shared/api';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Browser, createBrowser } from '../harness/browser.ts';
import { CLIENT_ID, type IdentityProvider, PUBLIC_CLIENT_ID } from '../harness/identity-provider.ts';
import { API_TOKEN, BEHIND_PROXY, HOUR, openPeopleHarness, PEOPLE, type PeopleHarness, problemOf } from '../harness/people-harness.ts';

/** Well before a stream itself checks whether its reader still has access. */

let world: PeopleHarness;
let idp: IdentityProvider;
let hub: PeopleHarness['hub'];
beforeAll(async () => {
  world = await openPeopleHarness();
  ({ idp, hub } = world);
});
afterAll(() => world.close());
beforeEach(() => {
  world.offsetMs = 0;
  idp.user = 'ada';
});

const url = (path: string): string => world.url(path);
const post = (browser: Browser, path: string, body?: object): Promise<Response> => world.call(browser, 'POST', path, body);
/** Goes to the provider and back, up to the callback, which it does not call. */
const halfLogin = async (change: (provider: URL) => void = () => undefined): Promise<{ browser: Browser; callback: URL }> => {
  const browser = createBrowser();
  const start = await browser.request(url('/auth/login'));
  const provider = new URL(start.headers.get('Location') ?? '');
  change(provider);
  const { url: callback } = await browser.follow(provider.href, url('/auth/callback'));
  return { browser, callback: new URL(callback) };
};
const signedIn = (browser: Browser): boolean => browser.cookies(hub.url).has('fso');

describe('login', () => {
  it.each([
    ['ada', 'admin'],
    ['olaf', 'operator'],
    ['vera', 'viewer'],
    ['eva', 'operator'],
    ['greta', null],
  ] as const)('makes %s %s, by the groups in the user info', async (user, role) => {
    const session = await world.sessionOf(await world.login(user));
    expect(session).toMatchObject({ kind: 'user', id: user, name: PEOPLE[user].name, role });
    const left = Date.parse(session.expiresAt ?? '') - Date.now();
    expect(left).toBeGreaterThan(23 * HOUR);
    expect(left).toBeLessThanOrEqual(24 * HOUR);
  });

  it('gives a person of a group with a scope that part of the fleet', async () => {
    const browser = await world.login('eva');
    expect((await world.sessionOf(browser)).grants).toEqual([{ role: 'operator', clusters: { clusterNames: ['eu'] } }]);
    const { items } = ClusterPage.parse(await (await browser.request(url('/api/v1/clusters'))).json());
    expect(items.map(({ name }) => name)).toEqual(['eu']);
    expect((await browser.request(url('/api/v1/clusters/us'))).status).toBe(404);
    const refused = await browser.request(url('/api/v1/audit'));
    expect([refused.status, (await problemOf(refused)).detail]).toEqual([
      403,
      `You are ${PEOPLE.eva.name} with the role operator for clusters named eu; this needs the role viewer for everything: it concerns the whole hub.`,
    ]);
  });

  it('continues at the requested page, and at no other site', async () => {
    const landing = async (returnTo: string): Promise<string> => {
      const browser = createBrowser();
      const { url: callback } = await browser.follow(url(`/auth/login?returnTo=${encodeURIComponent(returnTo)}`), url('/auth/callback'));
      const answer = await browser.request(callback);
      expect(answer.status).toBe(303);
      return new URL(answer.headers.get('Location') ?? '', hub.url).href;
    };
    expect(await landing('/api/v1/status?x=1')).toBe(url('/api/v1/status?x=1'));
    for (const evil of ['//evil.example/', 'https://evil.example/', '/\\evil.example', '/.//evil.example'])
      expect(await landing(evil)).toBe(url('/'));
  });

  it('keeps its cookie from scripts, other sites and caches', async () => {
    const { browser, callback } = await halfLogin();
    const answer = await browser.request(callback.href);
    const cookie = answer.headers.getSetCookie().find((line) => line.startsWith('fso='));
    expect(cookie).toMatch(/^fso=[\w-]{43}; Path=\/; HttpOnly; SameSite=Lax$/);
    expect(answer.headers.get('cache-control')).toBe('no-store');
    expect(browser.cookies(hub.url).has('fso-login')).toBe(false);
  });

  it('starts a new session each time, and ends the previous one', async () => {
    const browser = await world.login('ada');
    const before = browser.copy();
    idp.user = 'ada';
    await browser.follow(url('/auth/login?returnTo=/auth/session'));
    expect(browser.cookies(hub.url).get('fso')).not.toBe(before.cookies(hub.url).get('fso'));
    expect((await world.sessionOf(browser)).name).toBe('ada@example.com');
    expect((await before.request(url('/auth/session'))).status).toBe(401);
  });

  it('does not accept a session id that the client chose', async () => {
    const browser = createBrowser();
    browser.cookies(hub.url).set('fso', 'A'.repeat(43));
    await browser.follow(url('/auth/login?returnTo=/auth/session'));
    expect(browser.cookies(hub.url).get('fso')).not.toBe('A'.repeat(43));
  });
});

describe('a hub that starts while the provider is gone, behind a proxy with TLS, as a client without a secret', () => {
  it('reports it, and accepts logins once the provider is back, with the groups of the ID token', async () => {
    await idp.stop();
    const config = {
      oidc: { ...world.oidc, clientId: PUBLIC_CLIENT_ID, clientSecret: undefined },
      publicUrl: BEHIND_PROXY,
      trustedProxies: [],
    };
    const late = await world.bench.startHub({ config: { access: config, dataDir: join(world.bench.folder, 'late') } });
    const start = () => fetch(`${late.url}/auth/login?returnTo=/x`, { redirect: 'manual' });
    const refused = await start();
    expect([refused.status, (await problemOf(refused)).code, refused.headers.get('retry-after')]).toEqual([503, 'login-unavailable', '5']);

    idp.inIdToken = true;
    await idp.start();
    const answer = await start();
    const [cookie = ''] = answer.headers.getSetCookie();
    expect(cookie).toMatch(/^__Host-fso-login=[\w.-]+; Max-Age=600; Path=\/; Expires=[^;]+; HttpOnly; Secure; SameSite=Lax$/);
    expect(answer.headers.get('strict-transport-security')).toBe('max-age=31536000');

    const { url: callback } = await createBrowser().follow(answer.headers.get('Location') ?? '', `${BEHIND_PROXY}/auth/callback`);
    const headers = { Cookie: cookie.split(';')[0] ?? '' };
    const done = await fetch(callback.replace(BEHIND_PROXY, late.url), { headers, redirect: 'manual' });
    expect([done.status, done.headers.get('location')]).toEqual([303, '/x']);
    const session = done.headers.getSetCookie().find((line) => line.startsWith('__Host-fso=')) ?? '';
    expect(session).toMatch(/^__Host-fso=[\w-]{43}; Path=\/; HttpOnly; Secure; SameSite=Lax$/);
    const who = await fetch(`${late.url}/auth/session`, { headers: { Cookie: session.split(';')[0] ?? '' } });
    expect(SessionView.parse(await who.json())).toMatchObject({ id: 'ada', role: 'admin' });
  });

  it('limits logins of an address that fail, and not those that succeed', async () => {
    const browser = createBrowser();
    const statuses: number[] = [];
    for (let n = 0; n < 30; n += 1) statuses.push((await browser.request(url('/auth/login'))).status);
    expect(new Set(statuses)).toEqual(new Set([302]));
    // A slow machine gives some back meanwhile.
    while (statuses.at(-1) !== 429 && statuses.length < 130) statuses.push((await browser.request(url('/auth/callback?code=x'))).status);
    expect([statuses.slice(30, 50).every((status) => status === 400), statuses.at(-1)]).toEqual([true, 429]);
    expect((await createBrowser().request(url('/auth/login'))).status).toBe(302);
  });
});

describe('login fails', () => {
  const refused = async (browser: Browser, callback: string): Promise<string> => {
    const answer = await browser.request(callback);
    const body = await problemOf(answer);
    expect([answer.status, body.code, signedIn(browser)]).toEqual([400, 'login-failed', false]);
    return body.detail ?? '';
  };

  it('with another state', async () => {
    const { browser, callback } = await halfLogin();
    callback.searchParams.set('state', 'x'.repeat(43));
    expect(await refused(browser, callback.href)).toContain('does not belong to a login that was begun here');
  });

  it('without a state', async () => {
    const { browser, callback } = await halfLogin();
    callback.searchParams.delete('state');
    await refused(browser, callback.href);
  });

  it('in a browser that did not start it', async () => {
    const { callback } = await halfLogin();
    expect(await refused(createBrowser(), callback.href)).toContain('has begun no login here');
  });

  it('in a browser that started another one', async () => {
    const { callback } = await halfLogin();
    const { browser } = await halfLogin();
    await refused(browser, callback.href);
  });

  it('with another nonce', async () => {
    const { browser, callback } = await halfLogin((provider) => provider.searchParams.set('nonce', 'another-nonce'));
    expect(await refused(browser, callback.href)).toContain('does not belong');
  });

  it('without a nonce', async () => {
    const { browser, callback } = await halfLogin((provider) => provider.searchParams.delete('nonce'));
    await refused(browser, callback.href);
  });

  it('with the code of another PKCE challenge', async () => {
    const { browser, callback } = await halfLogin((provider) => provider.searchParams.set('code_challenge', 'A'.repeat(43)));
    expect(await refused(browser, callback.href)).toContain('invalid_grant');
  });

  it('with a used code', async () => {
    const { browser, callback } = await halfLogin();
    const again = browser.copy();
    expect((await browser.request(callback.href)).status).toBe(303);
    expect(await refused(again, callback.href)).toContain('invalid_grant');
  });

  it('with a code of another provider (RFC 9207)', async () => {
    const { browser, callback } = await halfLogin();
    callback.searchParams.set('iss', 'https://evil.example');
    await refused(browser, callback.href);
  });

  it('when the provider refuses, with a text and a page for a browser', async () => {
    const { browser, callback } = await halfLogin();
    const state = callback.searchParams.get('state');
    const denied = url(`/auth/callback?error=access_denied&error_description=%3Cb%3Eno%3C/b%3E&state=${state}&iss=${idp.issuer}`);
    const page = await browser.copy().request(denied, { headers: { Accept: 'text/html' } });
    expect([page.status, page.headers.get('content-type')]).toEqual([400, 'text/html; charset=utf-8']);
    const text = await page.text();
    expect(text).toContain('&lt;b&gt;no&lt;/b&gt;');
    expect(text).not.toContain('<b>');
    expect(page.headers.get('content-security-policy')).toContain("default-src 'none'");
    expect(await refused(browser, denied)).toContain('refused');
  });

  it('after ten minutes', async () => {
    const { browser, callback } = await halfLogin();
    world.offsetMs = 601_000;
    expect(await refused(browser, callback.href)).toContain('within the last 10 minutes');
  });
});

describe('sessions', () => {
  it('end after eight hours without use', async () => {
    const browser = await world.login('vera');
    world.offsetMs = 8 * HOUR - 60_000;
    expect((await browser.request(url('/api/v1/status'))).status).toBe(200);
    world.offsetMs = 16 * HOUR;
    const answer = await browser.request(url('/api/v1/status'));
    expect([answer.status, (await problemOf(answer)).detail]).toEqual([401, 'The login has ended: sign in again.']);
  });

  it('end after a day in any case', async () => {
    const browser = await world.login('vera');
    for (let hour = 4; hour < 24; hour += 4) {
      world.offsetMs = hour * HOUR;
      expect((await browser.request(url('/api/v1/status'))).status).toBe(200);
    }
    world.offsetMs = 24 * HOUR + 1000;
    expect((await browser.request(url('/api/v1/status'))).status).toBe(401);
  });

  it("end by logout, with open requests, and return the URL that ends the provider's session", async () => {
    const browser = await world.login('vera');
    const stream = await browser.request(url('/api/v1/stream'));
    const copy = browser.copy();
    const answer = await post(browser, '/auth/logout');
    expect(LogoutView.parse(await answer.json()).endSessionUrl).toContain(`${idp.issuer}/session/end?client_id=${CLIENT_ID}`);
    expect(signedIn(browser)).toBe(false);
    expect((await copy.request(url('/auth/session'))).status).toBe(401);
    await expect(stream.text()).rejects.toThrow();
  });

  it('continue while the provider is gone; a login reports it, and works again without a restart', async () => {
    const browser = await world.login('ada');
    await idp.stop();
    try {
      expect((await world.sessionOf(browser)).role).toBe('admin');
      const { browser: late, callback } = { browser: browser.copy(), callback: url('/auth/callback?code=x&state=y') };
      await late.request(url('/auth/login'));
      const state = new URL((await late.request(url('/auth/login'))).headers.get('Location') ?? '').searchParams.get('state');
      const answer = await late.request(`${callback.replace('state=y', `state=${state}`)}&iss=${idp.issuer}`);
      const body = await problemOf(answer);
      expect([answer.status, body.code, body.detail]).toEqual([503, 'login-unavailable', expect.stringContaining('did not answer')]);
    } finally {
      await idp.start();
    }
    expect((await world.sessionOf(await world.login('ada'))).role).toBe('admin');
  });
});

describe('roles', () => {
  const calls: readonly (readonly [string, string, Role, object?])[] = [
    ['GET', '/api/v1/policies', 'viewer'],
    ['GET', '/metrics', 'viewer'],
    ['POST', '/api/v1/source/fetch', 'operator'],
    ['GET', '/api/v1/tokens', 'admin'],
    ['POST', '/api/v1/tokens', 'admin', { name: 'x', role: 'viewer' }],
    ['DELETE', '/api/v1/tokens/0123456789abcdef', 'admin'],
  ];
  const ROLES = ['viewer', 'operator', 'admin'];
  const refusalOf = async (answer: Response): Promise<{ code?: string; detail: string }> => {
    if (![401, 403].includes(answer.status)) return { detail: '' };
    const { code, detail = '' } = await problemOf(answer);
    return { code, detail };
  };

  it.each([
    ['greta', -1, /gives a role here/],
    ['vera', 0, /with the role viewer; this needs the role/],
    ['olaf', 1, /with the role operator; this needs the role admin/],
    ['ada', 2, /never/],
  ] as const)('of %s hold for every call', async (user, level, reason) => {
    const browser = await world.login(user);
    for (const [method, path, role, body] of calls) {
      const { code, detail } = await refusalOf(await world.call(browser, method, path, body));
      const may = ROLES.indexOf(role) <= level;
      expect([method, path, code]).toEqual([method, path, may ? undefined : 'forbidden']);
      expect(detail).toMatch(may ? /^$/ : reason);
    }
  });
});

describe('a foreign page cannot use the session', () => {
  const FORM = { 'Content-Type': 'application/x-www-form-urlencoded' };
  it.each([
    ['a form of another site', { Origin: 'https://evil.example', 'Sec-Fetch-Site': 'cross-site', ...FORM }],
    ['a script of another site', { Origin: 'https://evil.example', 'Sec-Fetch-Site': 'cross-site', 'X-FSO-CSRF': '1' }],
    ['another port of the same host', { Origin: 'http://127.0.0.1:1', 'Sec-Fetch-Site': 'same-site', 'X-FSO-CSRF': '1' }],
    ['a sandboxed frame', { Origin: 'null', 'X-FSO-CSRF': '1' }],
    ['an old browser without these headers', { 'X-FSO-CSRF': '1' }],
    ['a form of the same origin, which no page has', { Origin: 'own', 'Sec-Fetch-Site': 'same-origin', ...FORM }],
    ['the address bar', { 'Sec-Fetch-Site': 'none', 'X-FSO-CSRF': '1' }],
  ])('by %s', async (_who, sent) => {
    const browser = await world.login('ada');
    const headers: Record<string, string> = { ...sent } as Record<string, string>;
    if (headers['Origin'] === 'own') headers['Origin'] = hub.url;
    for (const path of ['/api/v1/tokens', '/api/v1/source/fetch', '/auth/logout']) {
      const answer = await browser.request(url(path), { method: 'POST', headers });
      const body = await problemOf(answer);
      expect([path, answer.status, body.detail]).toEqual([path, 403, expect.stringContaining("not one of this hub's own pages")]);
    }
    expect(signedIn(browser)).toBe(true);
    expect((await world.sessionOf(browser)).role).toBe('admin');
  });

  it('and no response allows another origin', async () => {
    const preflight = await fetch(url('/api/v1/tokens'), {
      method: 'OPTIONS',
      headers: { Origin: 'https://evil.example', 'Access-Control-Request-Method': 'POST', 'Access-Control-Request-Headers': 'x-fso-csrf' },
    });
    expect([preflight.status, [...preflight.headers.keys()].filter((name) => name.startsWith('access-control'))]).toEqual([405, []]);
  });

  it('but a page of the hub can', async () => {
    const browser = await world.login('olaf');
    expect((await post(browser, '/api/v1/source/fetch')).status).toBe(202);
  });
});

describe('access tokens of the provider', () => {
  it.each([
    [['governance-admins'], 'admin'],
    [['platform'], 'operator'],
    [['nothing'], null],
  ] as const)('with the groups %j are %s', async (groups, role) => {
    const answer = await world.withToken('/auth/session', await idp.accessToken({ groups }));
    expect(SessionView.parse(await answer.json())).toMatchObject({ kind: 'user', id: CLIENT_ID, role });
  });

  it('for another audience are refused', async () => {
    const token = await idp.accessToken({ audience: 'https://other.example', groups: ['governance-admins'] });
    expect((await world.withToken('/auth/session', token)).status).toBe(401);
  });

  it('that have expired are refused', async () => {
    const token = await idp.accessToken({ groups: ['platform'], lifetimeS: 60 });
    expect((await world.withToken('/auth/session', token)).status).toBe(200);
    world.offsetMs = 120_000;
    expect((await world.withToken('/auth/session', token)).status).toBe(401);
  });

  it('that were changed, are unsigned or have another signer are refused', async () => {
    const token = await idp.accessToken({ groups: ['staff'] });
    const [header = '', payload = '', signature = ''] = token.split('.');
    const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
    const claims = { ...JSON.parse(Buffer.from(payload, 'base64url').toString()), groups: ['governance-admins'] };
    const unsigned = { alg: 'none', typ: 'at+jwt' };
    for (const forged of [
      `${header}.${encode(claims)}.${signature}`,
      `${encode(unsigned)}.${encode(claims)}.`,
      `${encode(unsigned)}.${encode(claims)}.${signature}`,
      `${encode({ alg: 'HS256', typ: 'at+jwt' })}.${encode(claims)}.${signature}`,
      `${encode({ ...JSON.parse(Buffer.from(header, 'base64url').toString()), kid: 'unknown' })}.${payload}.${signature}`,
    ])
      expect((await world.withToken('/auth/session', forged)).status).toBe(401);
  });
});

describe('API tokens', () => {
  it('are created by an administrator in the browser, and end open streams when they are revoked', async () => {
    const browser = await world.login('ada');
    const created = await post(browser, '/api/v1/tokens', { name: 'ci', role: 'operator' });
    expect(created.status).toBe(201);
    const { token, view } = CreatedToken.parse(await created.json());
    expect(view).toMatchObject({ createdBy: 'ada@example.com', role: 'operator' });
    expect((await world.withToken('/api/v1/source/fetch', token, { method: 'POST' })).status).toBe(202);
    expect((await world.withToken('/api/v1/tokens', token)).status).toBe(403);
    const stream = await world.withToken('/api/v1/stream', token);
    expect(stream.status).toBe(200);
    const ended = expect(stream.text()).rejects.toThrow();
    expect((await world.withToken(`/api/v1/tokens/${view.id}`, API_TOKEN, { method: 'DELETE' })).status).toBe(200);
    await ended;
    expect((await world.withToken('/api/v1/status', token)).status).toBe(401);
  });
});

describe('audit', () => {
  it('records who changed what, from where, and who tried', async () => {
    const [ada, vera] = [await world.login('ada'), await world.login('vera')];
    await post(vera, '/api/v1/source/fetch');
    const { view } = CreatedToken.parse(await (await post(ada, '/api/v1/tokens', { name: 'audited', role: 'viewer' })).json());
    await post(ada, '/auth/logout');
    const messages = (await hub.ledger.events({ limit: 6 })).filter(({ reason }) => reason === 'AccessAudit').map(({ message }) => message);
    expect(messages).toEqual(
      expect.arrayContaining([
        expect.stringContaining(`ada@example.com (user, admin) from ${ada.address}: login: done`),
        expect.stringContaining(`vera@example.com (user, viewer) from ${vera.address}: fetchSource: refused (You are vera`),
        expect.stringContaining(`ada@example.com (user, admin) from ${ada.address}: createToken ${view.id}: done (audited: role viewer`),
        expect.stringContaining(`ada@example.com (user, admin) from ${ada.address}: logout: done`),
      ]),
    );
  });
});
