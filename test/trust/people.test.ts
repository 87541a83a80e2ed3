import { CreatedToken, LogoutView, type Role, SessionView } from '@fso/shared/api';
import { describe, expect, it } from 'vitest';
import { CLIENT_ID } from '../harness/identity-provider.ts';
import { API_TOKEN, HOUR, problemOf } from '../harness/people-harness.ts';
import { usePeople } from '../harness/people-suite.ts';

const people = usePeople();

describe('sessions', () => {
  it('end after eight hours without use', async () => {
    const browser = await people.world.login('vera');
    people.world.offsetMs = 8 * HOUR - 60_000;
    expect((await browser.request(people.url('/api/v1/status'))).status).toBe(200);
    people.world.offsetMs = 16 * HOUR;
    const answer = await browser.request(people.url('/api/v1/status'));
    expect([answer.status, (await problemOf(answer)).detail]).toEqual([401, 'The login has ended: sign in again.']);
  });

  it('end after a day in any case', async () => {
    const browser = await people.world.login('vera');
    for (let hour = 4; hour < 24; hour += 4) {
      people.world.offsetMs = hour * HOUR;
      expect((await browser.request(people.url('/api/v1/status'))).status).toBe(200);
    }
    people.world.offsetMs = 24 * HOUR + 1000;
    expect((await browser.request(people.url('/api/v1/status'))).status).toBe(401);
  });

  it("end by logout, with open requests, and return the URL that ends the provider's session", async () => {
    const browser = await people.world.login('vera');
    const stream = await browser.request(people.url('/api/v1/stream'));
    const copy = browser.copy();
    const answer = await people.post(browser, '/auth/logout');
    expect(LogoutView.parse(await answer.json()).endSessionUrl).toContain(`${people.idp.issuer}/session/end?client_id=${CLIENT_ID}`);
    expect(people.signedIn(browser)).toBe(false);
    expect((await copy.request(people.url('/auth/session'))).status).toBe(401);
    await expect(stream.text()).rejects.toThrow();
  });

  it('continue while the provider is gone; a login reports it, and works again without a restart', async () => {
    const browser = await people.world.login('ada');
    await people.idp.stop();
    try {
      expect((await people.world.sessionOf(browser)).role).toBe('admin');
      const { browser: late, callback } = { browser: browser.copy(), callback: people.url('/auth/callback?code=x&state=y') };
      await late.request(people.url('/auth/login'));
      const state = new URL((await late.request(people.url('/auth/login'))).headers.get('Location') ?? '').searchParams.get('state');
      const answer = await late.request(`${callback.replace('state=y', `state=${state}`)}&iss=${people.idp.issuer}`);
      const body = await problemOf(answer);
      expect([answer.status, body.code, body.detail]).toEqual([503, 'login-unavailable', expect.stringContaining('did not answer')]);
    } finally {
      await people.idp.start();
    }
    expect((await people.world.sessionOf(await people.world.login('ada'))).role).toBe('admin');
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
  ] as const)('hold for every call of %s', async (user, level, reason) => {
    const browser = await people.world.login(user);
    for (const [method, path, role, body] of calls) {
      const { code, detail } = await refusalOf(await people.world.call(browser, method, path, body));
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
  ])('is refused by %s', async (_who, sent) => {
    const browser = await people.world.login('ada');
    const headers: Record<string, string> = { ...sent } as Record<string, string>;
    if (headers['Origin'] === 'own') headers['Origin'] = people.hub.url;
    for (const path of ['/api/v1/tokens', '/api/v1/source/fetch', '/auth/logout']) {
      const answer = await browser.request(people.url(path), { method: 'POST', headers });
      const body = await problemOf(answer);
      expect([path, answer.status, body.detail]).toEqual([path, 403, expect.stringContaining("not one of this hub's own pages")]);
    }
    expect(people.signedIn(browser)).toBe(true);
    expect((await people.world.sessionOf(browser)).role).toBe('admin');
  });

  it('is allowed no other origin by any response', async () => {
    const preflight = await fetch(people.url('/api/v1/tokens'), {
      method: 'OPTIONS',
      headers: { Origin: 'https://evil.example', 'Access-Control-Request-Method': 'POST', 'Access-Control-Request-Headers': 'x-fso-csrf' },
    });
    expect([preflight.status, [...preflight.headers.keys()].filter((name) => name.startsWith('access-control'))]).toEqual([405, []]);
  });

  it('is no page of the hub, which may use the session', async () => {
    const browser = await people.world.login('olaf');
    expect((await people.post(browser, '/api/v1/source/fetch')).status).toBe(202);
  });
});

describe('access tokens of the provider', () => {
  it.each([
    [['governance-admins'], 'admin'],
    [['platform'], 'operator'],
    [['nothing'], null],
  ] as const)('have the groups %j and are %s', async (groups, role) => {
    const answer = await people.world.withToken('/auth/session', await people.idp.accessToken({ groups }));
    expect(SessionView.parse(await answer.json())).toMatchObject({ kind: 'user', id: CLIENT_ID, role });
  });

  it('are refused for another audience', async () => {
    const token = await people.idp.accessToken({ audience: 'https://other.example', groups: ['governance-admins'] });
    expect((await people.world.withToken('/auth/session', token)).status).toBe(401);
  });

  it('are refused after their expiry', async () => {
    const token = await people.idp.accessToken({ groups: ['platform'], lifetimeS: 60 });
    expect((await people.world.withToken('/auth/session', token)).status).toBe(200);
    people.world.offsetMs = 120_000;
    expect((await people.world.withToken('/auth/session', token)).status).toBe(401);
  });

  it('are refused when they were changed, are unsigned or have another signer', async () => {
    const token = await people.idp.accessToken({ groups: ['staff'] });
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
      expect((await people.world.withToken('/auth/session', forged)).status).toBe(401);
  });
});

describe('API tokens', () => {
  it('are created by an administrator in the browser, and end open streams when they are revoked', async () => {
    const browser = await people.world.login('ada');
    const created = await people.post(browser, '/api/v1/tokens', { name: 'ci', role: 'operator' });
    expect(created.status).toBe(201);
    const { token, view } = CreatedToken.parse(await created.json());
    expect(view).toMatchObject({ createdBy: 'ada@example.com', role: 'operator' });
    expect((await people.world.withToken('/api/v1/source/fetch', token, { method: 'POST' })).status).toBe(202);
    expect((await people.world.withToken('/api/v1/tokens', token)).status).toBe(403);
    const stream = await people.world.withToken('/api/v1/stream', token);
    expect(stream.status).toBe(200);
    const ended = expect(stream.text()).rejects.toThrow();
    expect((await people.world.withToken(`/api/v1/tokens/${view.id}`, API_TOKEN, { method: 'DELETE' })).status).toBe(200);
    await ended;
    expect((await people.world.withToken('/api/v1/status', token)).status).toBe(401);
  });
});

describe('audit', () => {
  it('records who changed what, from where, and who tried', async () => {
    const [ada, vera] = [await people.world.login('ada'), await people.world.login('vera')];
    await people.post(vera, '/api/v1/source/fetch');
    const { view } = CreatedToken.parse(await (await people.post(ada, '/api/v1/tokens', { name: 'audited', role: 'viewer' })).json());
    await people.post(ada, '/auth/logout');
    const messages = (await people.hub.ledger.events({ limit: 6 }))
      .filter(({ reason }) => reason === 'AccessAudit')
      .map(({ message }) => message);
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
