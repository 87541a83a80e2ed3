import { CreatedToken, LoginMethods, type ProblemDetails, SessionView } from '@fso/shared/api';
import { type Clock, systemClock } from '@fso/shared/runtime';
import { describe, expect, it } from 'vitest';
import { type ApiHarness, startApiHarness } from '../testing/api-harness.ts';

const STATIC = 'static-token-0123456789';
const DAY = 86_400_000;

const post = (server: ApiHarness, path: string, headers: Record<string, string>, body: unknown = {}): Promise<Response> =>
  fetch(server.url + path, { method: 'POST', headers: { 'Content-Type': 'application/json', ...headers }, body: JSON.stringify(body) });
const ownPage = (server: ApiHarness): Record<string, string> => ({ Origin: server.url, 'X-FSO-CSRF': '1' });
const signIn = (server: ApiHarness, token: string, headers: Record<string, string> = {}): Promise<Response> =>
  post(server, '/auth/token', { ...ownPage(server), ...headers }, { token });
const cookieOf = (response: Response): string => response.headers.getSetCookie()[0]?.split(';')[0] ?? '';
const statusWith = async (server: ApiHarness, cookie: string): Promise<number> =>
  (await fetch(`${server.url}/auth/session`, { headers: { Cookie: cookie } })).status;
const create = async (server: ApiHarness, role = 'viewer') => {
  const headers = { Authorization: `Bearer ${STATIC}` };
  return CreatedToken.parse(await (await post(server, '/api/v1/tokens', headers, { name: 'ci', role, expiresInDays: 1 })).json());
};
const problemOf = async (response: Response) => {
  const { status, detail } = (await response.json()) as ProblemDetails;
  return [status, detail];
};

describe('a session from a token', () => {
  it("belongs to the token's owner, in a cookie that scripts cannot read", async () => {
    await using server = await startApiHarness({ apiToken: STATIC });
    const { token, view } = await create(server);
    const answer = await signIn(server, token);
    const session = SessionView.parse(await answer.json());
    expect(session).toEqual({
      kind: 'token',
      id: view.id,
      name: 'ci',
      role: 'viewer',
      grants: [{ role: 'viewer' }],
      expiresAt: expect.any(String),
    });
    expect(Date.parse(session.expiresAt ?? '')).toBeLessThanOrEqual(Date.parse(view.expiresAt));
    expect(answer.headers.getSetCookie()[0]).toMatch(/^fso=[\w-]{43}; Path=\/; HttpOnly; SameSite=Lax$/);
    const who = await fetch(`${server.url}/auth/session`, { headers: { Cookie: cookieOf(answer) } });
    expect(SessionView.parse(await who.json())).toEqual(session);
    expect(server.audit.at(-1)).toMatchObject({ actor: { kind: 'token', id: view.id }, action: 'login', outcome: 'done' });
    expect(JSON.stringify(server.audit)).not.toContain(token.slice(21));
  });

  it('belongs to another account at the same address, also after too many logins of the first', async () => {
    await using server = await startApiHarness({ apiToken: STATIC });
    const { token } = await create(server);
    let refused = 0;
    while (refused < 25) if ((await signIn(server, STATIC)).status === 429) refused += 1;
    expect((await signIn(server, token)).status).toBe(200);
  });

  it("may change what the role allows, from the hub's own pages only", async () => {
    await using server = await startApiHarness({ apiToken: STATIC });
    const cookie = cookieOf(await signIn(server, STATIC));
    const fetchNow = (headers: Record<string, string>) => post(server, '/api/v1/source/fetch', { Cookie: cookie, ...headers });
    expect((await fetchNow(ownPage(server))).status).toBe(202);
    expect((await fetchNow({ Origin: 'https://evil.example', 'X-FSO-CSRF': '1' })).status).toBe(403);
    expect((await fetchNow({ Origin: server.url })).status).toBe(403);
    expect(server.hints).toBe(1);
  });

  it('ends with logout, with another login, and when the token is revoked', async () => {
    await using server = await startApiHarness({ apiToken: STATIC });
    const { token, view } = await create(server);
    const [first, second] = [cookieOf(await signIn(server, token)), cookieOf(await signIn(server, token))];
    expect((await post(server, '/auth/logout', { Cookie: first, ...ownPage(server) })).status).toBe(200);
    expect([await statusWith(server, first), await statusWith(server, second)]).toEqual([401, 200]);
    const third = cookieOf(await signIn(server, token, { Cookie: second }));
    expect([await statusWith(server, second), await statusWith(server, third)]).toEqual([401, 200]);
    const stream = await fetch(`${server.url}/api/v1/stream`, { headers: { Cookie: third } });
    await fetch(`${server.url}/api/v1/tokens/${view.id}`, { method: 'DELETE', headers: { Authorization: `Bearer ${STATIC}` } });
    await expect(stream.text()).rejects.toThrow();
    expect(await statusWith(server, third)).toBe(401);
  });

  it('ends when the token expires', async () => {
    const clock: Clock & { offsetMs: number } = { ...systemClock, offsetMs: 0, now: () => new Date(Date.now() + clock.offsetMs) };
    await using server = await startApiHarness({ apiToken: STATIC, clock });
    const { token } = await create(server);
    clock.offsetMs = DAY - 1000;
    const cookie = cookieOf(await signIn(server, token));
    expect(await statusWith(server, cookie)).toBe(200);
    clock.offsetMs = DAY;
    expect(await statusWith(server, cookie)).toBe(401);
  });

  it('is refused for a foreign token or a page from elsewhere', async () => {
    await using server = await startApiHarness({ apiToken: STATIC });
    expect(await problemOf(await signIn(server, 'wrong'))).toEqual([401, 'The token is not one of this hub.']);
    expect(await problemOf(await signIn(server, 'two words'))).toEqual([401, expect.stringContaining('Bearer <token>')]);
    expect(await problemOf(await signIn(server, ''))).toEqual([400, expect.stringContaining('body token')]);
    for (const headers of [{ Origin: 'https://evil.example' }, { 'Sec-Fetch-Site': 'cross-site' }, { 'X-FSO-CSRF': '' }])
      expect(await problemOf(await signIn(server, STATIC, headers))).toEqual([403, expect.stringContaining("this hub's own pages")]);
    expect((await post(server, '/auth/token', { 'X-FSO-CSRF': '1' }, { token: STATIC })).status).toBe(403);
    expect(server.audit).toEqual([]);
  });

  it('counts each wrong guess among the refused calls, with those of all other ways', async () => {
    await using server = await startApiHarness({ apiToken: STATIC, clock: { ...systemClock, monotonicMs: () => 0 } });
    for (let i = 0; i < 10; i += 1) await signIn(server, 'wrong');
    for (let i = 0; i < 5; i += 1) await signIn(server, STATIC, { Origin: 'https://evil.example' });
    const ask = (token: string): Promise<Response> => fetch(`${server.url}/metrics`, { headers: { Authorization: `Bearer ${token}` } });
    const metrics = await (await ask(STATIC)).text();
    expect(metrics).toContain('fso_hub_auth_failures_total{reason="invalid"} 10');
    expect(metrics).toContain('fso_hub_auth_failures_total{reason="csrf"} 5');
    const statuses = await Promise.all(Array.from({ length: 6 }, async () => (await ask('wrong')).status));
    expect(statuses.sort((a, b) => a - b)).toEqual([401, 401, 401, 401, 401, 429]);
    expect(await problemOf(await signIn(server, 'wrong'))).toEqual([429, expect.stringContaining('were refused')]);
  });

  it('is refused for a token of a provider that is away', async () => {
    const oidc = { issuer: 'http://127.0.0.1:9', clientId: 'fso', rolesClaim: 'groups', roleMap: new Map(), grants: [], scopes: 'openid' };
    const settings = { ...oidc, clientSecret: undefined, audience: 'fso' };
    await using server = await startApiHarness({ apiToken: STATIC, oidc: settings, publicUrl: 'http://127.0.0.1:1' });
    const encoded = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
    const token = `${encoded({ alg: 'RS256', kid: 'k' })}.${encoded({ iss: oidc.issuer, aud: 'fso', sub: 'ada' })}.${'A'.repeat(342)}`;
    const answer = await signIn(server, token, { Origin: 'http://127.0.0.1:1' });
    expect([answer.status, answer.headers.get('Retry-After')]).toEqual([503, '5']);
  });

  it('uses a cookie of this host alone over TLS', async () => {
    const publicUrl = 'https://fso.example.com';
    await using server = await startApiHarness({ apiToken: STATIC, publicUrl });
    const answer = await signIn(server, STATIC, { Origin: publicUrl });
    expect(answer.headers.getSetCookie()[0]).toMatch(/^__Host-fso=[\w-]{43}; Path=\/; HttpOnly; Secure; SameSite=Lax$/);
    expect((await signIn(server, STATIC)).status).toBe(403);
  });

  it('is unlimited in number for one address, and limited for one account', async () => {
    await using server = await startApiHarness({ apiToken: STATIC, clock: { ...systemClock, monotonicMs: () => 0 } });
    const tokens = await Promise.all(Array.from({ length: 30 }, async () => (await create(server)).token));
    const statuses = await Promise.all(tokens.map(async (token) => (await signIn(server, token)).status));
    expect(new Set(statuses)).toEqual(new Set([200]));
    const ofOne: number[] = [];
    for (let n = 0; n < 61; n += 1) ofOne.push((await signIn(server, STATIC)).status);
    expect([ofOne.filter((status) => status === 200).length, ofOne.at(-1)]).toEqual([60, 429]);
  });

  it('is limited for each address after failures', async () => {
    await using server = await startApiHarness({ apiToken: STATIC, clock: { ...systemClock, monotonicMs: () => 0 } });
    const statuses: number[] = [];
    for (let i = 0; i < 21; i += 1) statuses.push((await signIn(server, 'wrong')).status);
    expect([statuses.filter((status) => status === 401).length, statuses.at(-1)]).toEqual([20, 429]);
  });

  it('gives the command line no login, which would outlive the token', async () => {
    const oidc = { issuer: 'https://id.example', clientId: 'fso', rolesClaim: 'groups', roleMap: new Map(), grants: [], scopes: 'openid' };
    await using server = await startApiHarness({
      apiToken: STATIC,
      oidc: { ...oidc, clientSecret: undefined, audience: undefined },
      publicUrl: 'http://127.0.0.1:1',
    });
    const cookie = cookieOf(await signIn(server, STATIC, { Origin: 'http://127.0.0.1:1' }));
    const path = `/auth/cli?port=4000&challenge=${'a'.repeat(43)}&state=${'b'.repeat(16)}`;
    const answer = await fetch(server.url + path, { headers: { Cookie: cookie }, redirect: 'manual' });
    expect([answer.status, answer.headers.get('Location')?.split('?')[0]]).toEqual([302, '/auth/login']);
  });
});

describe('the ways in', () => {
  it.each([
    [{}, { provider: false, token: false, anonymous: true }],
    [{ apiToken: STATIC }, { provider: false, token: true, anonymous: false }],
  ])('are those of %o', async (config, expected) => {
    await using server = await startApiHarness(config);
    expect(LoginMethods.parse(await (await fetch(`${server.url}/auth/methods`)).json())).toEqual(expected);
  });

  it('include no token where the hub runs without authentication', async () => {
    await using server = await startApiHarness();
    expect((await signIn(server, STATIC)).status).toBe(404);
  });
});
