import { CLI_SESSION, CreatedToken, LoginLinkView, SessionView } from '@fso/shared/api';
import { type Clock, systemClock } from '@fso/shared/runtime';
import { describe, expect, it } from 'vitest';
import { principalOf } from '../../access/index.ts';
import { type ApiHarness, startApiHarness } from '../testing/api-harness.ts';

const STATIC = 'static-token-0123456789';
/** A clock on which limits do not recover. */
const still: Clock = { ...systemClock, monotonicMs: () => 0 };

const make = (server: ApiHarness, headers: Record<string, string> = { Authorization: `Bearer ${STATIC}` }): Promise<Response> =>
  fetch(`${server.url}/api/v1/login-links`, { method: 'POST', headers });
const codeOf = async (server: ApiHarness, token = STATIC): Promise<string> =>
  LoginLinkView.parse(await (await make(server, { Authorization: `Bearer ${token}` })).json()).code;

/** Presses the button. */
const press = (server: ApiHarness, code: string, headers: Record<string, string> = { Origin: server.url }): Promise<Response> =>
  fetch(`${server.url}/auth/link`, {
    method: 'POST',
    headers: { Accept: 'text/html', ...headers },
    body: new URLSearchParams({ code }),
    redirect: 'manual',
  });
const cookieOf = (response: Response): string => response.headers.getSetCookie()[0]?.split(';')[0] ?? '';
const sessionOf = (server: ApiHarness, cookie: string): Promise<Response> =>
  fetch(`${server.url}/auth/session`, { headers: { Cookie: cookie } });
const newToken = async (server: ApiHarness, body: object) => {
  const headers = { Authorization: `Bearer ${STATIC}`, 'Content-Type': 'application/json' };
  const answer = await fetch(`${server.url}/api/v1/tokens`, { method: 'POST', headers, body: JSON.stringify(body) });
  return CreatedToken.parse(await answer.json());
};

describe('a link', () => {
  it('signs a browser in once, as its maker, by a cookie that scripts cannot read', async () => {
    await using server = await startApiHarness({ apiToken: STATIC });
    const link = LoginLinkView.parse(await (await make(server)).json());
    expect(link).toEqual({ code: expect.stringMatching(/^[\w-]{43}$/), origin: null, expiresAt: expect.any(String) });
    const answer = await press(server, link.code);
    expect([answer.status, answer.headers.get('Location')]).toEqual([303, '/']);
    expect(answer.headers.getSetCookie()[0]).toMatch(/^fso=[\w-]{43}; Path=\/; HttpOnly; SameSite=Lax$/);
    const session = SessionView.parse(await (await sessionOf(server, cookieOf(answer))).json());
    expect(session).toMatchObject({ kind: 'local', role: 'admin' });
    expect((await press(server, link.code)).status).toBe(400);
  });

  it('is in the audit log, made and used, without its code', async () => {
    await using server = await startApiHarness({ apiToken: STATIC });
    const code = await codeOf(server);
    await press(server, code);
    expect(server.audit.map(({ action, outcome, detail }) => [action, outcome, detail])).toEqual([
      ['createLoginLink', 'done', expect.stringMatching(/^until \d{4}-/)],
      ['login', 'done', 'by a login link'],
    ]);
    expect(JSON.stringify(server.audit)).not.toContain(code);
  });

  it('has the role and scope of an API token, and its session ends with that token', async () => {
    await using server = await startApiHarness({ apiToken: STATIC });
    const clusters = { clusterNames: ['eu'] };
    const { token, view } = await newToken(server, { name: 'eu', role: 'viewer', expiresInDays: 1, clusters });
    const cookie = cookieOf(await press(server, await codeOf(server, token)));
    const session = SessionView.parse(await (await sessionOf(server, cookie)).json());
    expect(session).toMatchObject({ kind: 'token', id: view.id, grants: [{ role: 'viewer', clusters }] });
    expect(Date.parse(session.expiresAt ?? '')).toBeLessThanOrEqual(Date.parse(view.expiresAt));
    const late = await codeOf(server, token);
    await fetch(`${server.url}/api/v1/tokens/${view.id}`, { method: 'DELETE', headers: { Authorization: `Bearer ${STATIC}` } });
    expect((await sessionOf(server, cookie)).status).toBe(401);
    expect((await press(server, late)).status).toBe(400);
  });

  it('is not made by a login, nor by a session that a token was traded for, nor without any', async () => {
    await using server = await startApiHarness({ apiToken: STATIC });
    const person = principalOf({ kind: 'user', id: 'ada', name: 'Ada' }, [{ role: 'admin' }]);
    const login = await server.access.sessions.begin(person, { byCookie: false });
    expect((await make(server, { Authorization: `Bearer ${CLI_SESSION}${login}` })).status).toBe(403);
    const cookie = cookieOf(await press(server, await codeOf(server)));
    const own = { Cookie: cookie, Origin: server.url, 'X-FSO-CSRF': '1' };
    expect((await make(server, own)).status).toBe(403);
    expect((await make(server, {})).status).toBe(401);
  });

  it('is used from the own page alone, and survives what comes from elsewhere', async () => {
    await using server = await startApiHarness({ apiToken: STATIC });
    const code = await codeOf(server);
    for (const headers of [{ Origin: 'https://evil.example' }, { 'Sec-Fetch-Site': 'cross-site' }, {}])
      expect((await press(server, code, headers as Record<string, string>)).status).toBe(403);
    expect((await press(server, code)).status).toBe(303);
  });

  it('opens the same page for everybody, which uses nothing up and loads nothing', async () => {
    await using server = await startApiHarness({ apiToken: STATIC });
    const code = await codeOf(server);
    for (const method of ['GET', 'HEAD']) {
      const page = await fetch(`${server.url}/auth/link`, { method });
      expect(page.status).toBe(200);
      expect(page.headers.get('Content-Security-Policy')).toMatch(/^default-src 'none';script-src 'sha256-[\w+/]+=*';form-action 'self'/);
    }
    expect((await press(server, code)).status).toBe(303);
  });

  it('is guessed a limited number of times from an address', async () => {
    await using server = await startApiHarness({ apiToken: STATIC, clock: still });
    const statuses: number[] = [];
    for (let n = 0; n < 21; n += 1) statuses.push((await press(server, 'guess')).status);
    expect([statuses[0], statuses.filter((status) => status === 400).length, statuses.at(-1)]).toEqual([400, 20, 429]);
  });

  it('is made a limited number of times by one token', async () => {
    await using server = await startApiHarness({ apiToken: STATIC, clock: still });
    const statuses: number[] = [];
    for (let n = 0; n < 11; n += 1) statuses.push((await make(server)).status);
    expect([statuses.filter((status) => status === 201).length, statuses.at(-1)]).toEqual([10, 429]);
  });

  it('leads to the address of the hub that browsers use', async () => {
    await using server = await startApiHarness({ apiToken: STATIC, publicUrl: 'https://fso.example.com' });
    const link = LoginLinkView.parse(await (await make(server)).json());
    expect(link.origin).toBe('https://fso.example.com');
    expect((await press(server, link.code)).status).toBe(403);
    const answer = await press(server, link.code, { Origin: 'https://fso.example.com' });
    expect(answer.headers.getSetCookie()[0]).toMatch(/^__Host-fso=/);
  });

  it('is refused by a hub without authentication', async () => {
    await using server = await startApiHarness();
    expect((await make(server, {})).status).toBe(403);
  });
});
