/** Sign-in of people at the hub, with a real identity provider. */
import { join } from 'node:path';
import { ClusterPage, SessionView } from '@fso/shared/api';
import { describe, expect, it } from 'vitest';
import { type Browser, createBrowser } from '../harness/browser.ts';
import { PUBLIC_CLIENT_ID } from '../harness/identity-provider.ts';
import { BEHIND_PROXY, HOUR, PEOPLE, problemOf } from '../harness/people-harness.ts';
import { usePeople } from '../harness/people-suite.ts';

const people = usePeople();

describe('login', () => {
  it.each([
    ['ada', 'admin'],
    ['olaf', 'operator'],
    ['vera', 'viewer'],
    ['eva', 'operator'],
    ['greta', null],
  ] as const)('makes %s %s, by the groups in the user info', async (user, role) => {
    const session = await people.world.sessionOf(await people.world.login(user));
    expect(session).toMatchObject({ kind: 'user', id: user, name: PEOPLE[user].name, role });
    const left = Date.parse(session.expiresAt ?? '') - Date.now();
    expect(left).toBeGreaterThan(23 * HOUR);
    expect(left).toBeLessThanOrEqual(24 * HOUR);
  });

  it('gives a person of a group with a scope that part of the fleet', async () => {
    const browser = await people.world.login('eva');
    expect((await people.world.sessionOf(browser)).grants).toEqual([{ role: 'operator', clusters: { clusterNames: ['eu'] } }]);
    const { items } = ClusterPage.parse(await (await browser.request(people.url('/api/v1/clusters'))).json());
    expect(items.map(({ name }) => name)).toEqual(['eu']);
    expect((await browser.request(people.url('/api/v1/clusters/us'))).status).toBe(404);
    const refused = await browser.request(people.url('/api/v1/audit'));
    expect([refused.status, (await problemOf(refused)).detail]).toEqual([
      403,
      `You are ${PEOPLE.eva.name} with the role operator for clusters named eu; this needs the role viewer for everything: it concerns the whole hub.`,
    ]);
  });

  it('continues at the requested page, and at no other site', async () => {
    const landing = async (returnTo: string): Promise<string> => {
      const browser = createBrowser();
      const { url: callback } = await browser.follow(
        people.url(`/auth/login?returnTo=${encodeURIComponent(returnTo)}`),
        people.url('/auth/callback'),
      );
      const answer = await browser.request(callback);
      expect(answer.status).toBe(303);
      return new URL(answer.headers.get('Location') ?? '', people.hub.url).href;
    };
    expect(await landing('/api/v1/status?x=1')).toBe(people.url('/api/v1/status?x=1'));
    for (const evil of ['//evil.example/', 'https://evil.example/', '/\\evil.example', '/.//evil.example'])
      expect(await landing(evil)).toBe(people.url('/'));
  });

  it('keeps its cookie from scripts, other sites and caches', async () => {
    const { browser, callback } = await people.halfLogin();
    const answer = await browser.request(callback.href);
    const cookie = answer.headers.getSetCookie().find((line) => line.startsWith('fso='));
    expect(cookie).toMatch(/^fso=[\w-]{43}; Path=\/; HttpOnly; SameSite=Lax$/);
    expect(answer.headers.get('cache-control')).toBe('no-store');
    expect(browser.cookies(people.hub.url).has('fso-login')).toBe(false);
  });

  it('starts a new session each time, and ends the previous one', async () => {
    const browser = await people.world.login('ada');
    const before = browser.copy();
    people.idp.user = 'ada';
    await browser.follow(people.url('/auth/login?returnTo=/auth/session'));
    expect(browser.cookies(people.hub.url).get('fso')).not.toBe(before.cookies(people.hub.url).get('fso'));
    expect((await people.world.sessionOf(browser)).name).toBe('ada@example.com');
    expect((await before.request(people.url('/auth/session'))).status).toBe(401);
  });

  it('does not accept a session id that the client chose', async () => {
    const browser = createBrowser();
    browser.cookies(people.hub.url).set('fso', 'A'.repeat(43));
    await browser.follow(people.url('/auth/login?returnTo=/auth/session'));
    expect(browser.cookies(people.hub.url).get('fso')).not.toBe('A'.repeat(43));
  });
});

describe('a hub that starts while the provider is gone, behind a proxy with TLS, as a client without a secret', () => {
  it('reports it, and accepts logins once the provider is back, with the groups of the ID token', async () => {
    await people.idp.stop();
    const config = {
      oidc: { ...people.world.oidc, clientId: PUBLIC_CLIENT_ID, clientSecret: undefined },
      publicUrl: BEHIND_PROXY,
      trustedProxies: [],
    };
    const late = await people.world.bench.startHub({ config: { access: config, dataDir: join(people.world.bench.folder, 'late') } });
    const start = () => fetch(`${late.url}/auth/login?returnTo=/x`, { redirect: 'manual' });
    const refused = await start();
    expect([refused.status, (await problemOf(refused)).code, refused.headers.get('retry-after')]).toEqual([503, 'login-unavailable', '5']);

    people.idp.inIdToken = true;
    await people.idp.start();
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
    for (let n = 0; n < 30; n += 1) statuses.push((await browser.request(people.url('/auth/login'))).status);
    expect(new Set(statuses)).toEqual(new Set([302]));
    // A slow machine gives some back meanwhile.
    while (statuses.at(-1) !== 429 && statuses.length < 130)
      statuses.push((await browser.request(people.url('/auth/callback?code=x'))).status);
    expect([statuses.slice(30, 50).every((status) => status === 400), statuses.at(-1)]).toEqual([true, 429]);
    expect((await createBrowser().request(people.url('/auth/login'))).status).toBe(302);
  });
});

describe('a login', () => {
  const refused = async (browser: Browser, callback: string): Promise<string> => {
    const answer = await browser.request(callback);
    const body = await problemOf(answer);
    expect([answer.status, body.code, people.signedIn(browser)]).toEqual([400, 'login-failed', false]);
    return body.detail ?? '';
  };

  it('fails with another state', async () => {
    const { browser, callback } = await people.halfLogin();
    callback.searchParams.set('state', 'x'.repeat(43));
    expect(await refused(browser, callback.href)).toContain('does not belong to a login that was begun here');
  });

  it('fails without a state', async () => {
    const { browser, callback } = await people.halfLogin();
    callback.searchParams.delete('state');
    await refused(browser, callback.href);
  });

  it('fails in a browser that did not start it', async () => {
    const { callback } = await people.halfLogin();
    expect(await refused(createBrowser(), callback.href)).toContain('has begun no login here');
  });

  it('fails in a browser that started another login', async () => {
    const { callback } = await people.halfLogin();
    const { browser } = await people.halfLogin();
    await refused(browser, callback.href);
  });

  it('fails with another nonce', async () => {
    const { browser, callback } = await people.halfLogin((provider) => provider.searchParams.set('nonce', 'another-nonce'));
    expect(await refused(browser, callback.href)).toContain('does not belong');
  });

  it('fails without a nonce', async () => {
    const { browser, callback } = await people.halfLogin((provider) => provider.searchParams.delete('nonce'));
    await refused(browser, callback.href);
  });

  it('fails with the code of another PKCE challenge', async () => {
    const { browser, callback } = await people.halfLogin((provider) => provider.searchParams.set('code_challenge', 'A'.repeat(43)));
    expect(await refused(browser, callback.href)).toContain('invalid_grant');
  });

  it('fails with a used code', async () => {
    const { browser, callback } = await people.halfLogin();
    const again = browser.copy();
    expect((await browser.request(callback.href)).status).toBe(303);
    expect(await refused(again, callback.href)).toContain('invalid_grant');
  });

  it('fails with a code of another provider (RFC 9207)', async () => {
    const { browser, callback } = await people.halfLogin();
    callback.searchParams.set('iss', 'https://evil.example');
    await refused(browser, callback.href);
  });

  it('fails when the provider refuses, with a text and a page for a browser', async () => {
    const { browser, callback } = await people.halfLogin();
    const state = callback.searchParams.get('state');
    const denied = people.url(
      `/auth/callback?error=access_denied&error_description=%3Cb%3Eno%3C/b%3E&state=${state}&iss=${people.idp.issuer}`,
    );
    const page = await browser.copy().request(denied, { headers: { Accept: 'text/html' } });
    expect([page.status, page.headers.get('content-type')]).toEqual([400, 'text/html; charset=utf-8']);
    const text = await page.text();
    expect(text).toContain('&lt;b&gt;no&lt;/b&gt;');
    expect(text).not.toContain('<b>');
    expect(page.headers.get('content-security-policy')).toContain("default-src 'none'");
    expect(await refused(browser, denied)).toContain('refused');
  });

  it('fails after ten minutes', async () => {
    const { browser, callback } = await people.halfLogin();
    people.world.offsetMs = 601_000;
    expect(await refused(browser, callback.href)).toContain('within the last 10 minutes');
  });
});
