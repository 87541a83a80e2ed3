/**
 * `fso login` through the browser: only the command gets a session of the person who allowed it.
 */
import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CliLoginView } from '@fso/shared/api';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { freePort } from '../../clusters/local/ports.ts';
import { type Outcome, runFso } from '../../hub/cli/testing/run-fso.ts';
import { type Browser, createBrowser } from '../harness/browser.ts';
import { HOUR, openPeopleHarness, type PeopleHarness, problemOf } from '../harness/people-harness.ts';

let world: PeopleHarness;
let home: string;
beforeAll(async () => {
  world = await openPeopleHarness();
});
afterAll(() => world.close());
beforeEach(async () => {
  world.offsetMs = 0;
  home = await mkdtemp(join(tmpdir(), 'fso-home-'));
});
afterEach(() => rm(home, { recursive: true, force: true }));

const fso = (args: readonly string[], onProgress?: (err: string) => void): Promise<Outcome> =>
  runFso(args, { FSO_SERVER: world.hub.url, XDG_CONFIG_HOME: home }, onProgress);

/** Starts `fso login`; resolves with its link and a promise of its outcome. */
const startLogin = (): Promise<{ link: string; outcome: Promise<Outcome> }> =>
  new Promise((resolve) => {
    const outcome = fso(['login'], (err) => {
      const link = /(http:\S+)\n/.exec(err)?.[1];
      if (link !== undefined) resolve({ link, outcome });
    });
  });

const formOf = async (page: Response | undefined): Promise<string> =>
  /name="form" value="([^"]+)"/.exec((await page?.text()) ?? '')?.[1] ?? '';
const submit = (browser: Browser, form: string, headers: Record<string, string> = {}): Promise<Response> =>
  browser.request(world.url('/auth/cli'), {
    method: 'POST',
    headers: { Origin: world.hub.url, 'Sec-Fetch-Site': 'same-origin', 'Content-Type': 'application/x-www-form-urlencoded', ...headers },
    body: new URLSearchParams({ form }).toString(),
  });

const secret = (): string => randomBytes(32).toString('base64url');
const linkOf = (port: number, verifier: string): string =>
  world.url(
    `/auth/cli?${new URLSearchParams({ port: String(port), challenge: createHash('sha256').update(verifier).digest('base64url'), state: secret() })}`,
  );
/** Goes through the login up to the code that the browser would bring to the command. */
const allowed = async (browser: Browser, verifier: string): Promise<string> => {
  const answer = await submit(browser, await formOf(await browser.request(linkOf(40_000, verifier))));
  const target = new URL(answer.headers.get('Location') ?? '');
  expect([answer.status, target.origin]).toEqual([303, 'http://127.0.0.1:40000']);
  return target.searchParams.get('code') ?? '';
};
const exchange = (code: string, verifier: string): Promise<Response> =>
  fetch(world.url('/auth/cli/token'), {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', 'X-Forwarded-For': createBrowser().address },
    body: JSON.stringify({ code, verifier }),
  });
const tokenOf = async (response: Response): Promise<string> => CliLoginView.parse(await response.json()).token;

describe('fso login', () => {
  it('logs the command in as the person who allows it, after a login at the provider', async () => {
    const { link, outcome } = await startLogin();
    world.idp.user = 'olaf';
    const browser = createBrowser();
    const { response: page } = await browser.follow(link);
    expect(page?.headers.get('content-security-policy')).toMatch(/^default-src 'none';.*form-action 'self' http:\/\/127\.0\.0\.1:\d+$/);
    const answer = await submit(browser, await formOf(page));
    const done = await fetch(answer.headers.get('Location') ?? '');
    expect(await done.text()).toContain('fso is logged in');
    expect(await outcome).toMatchObject({ code: 0, err: expect.stringContaining('as olaf@example.com (operator)') });

    expect((await fso(['whoami', '-o', 'json'])).out).toContain('"role": "operator"');
    expect((await fso(['fetch'])).code).toBe(0);
    expect((await fso(['tokens', 'list'])).err).toContain('You are olaf@example.com with the role operator; this needs the role admin.');
  });

  it('ends with fso logout, at the hub too', async () => {
    const verifier = secret();
    const token = await tokenOf(await exchange(await allowed(await world.login('vera'), verifier), verifier));
    expect((await fso(['login', '--token', token])).code).toBe(0);
    const stream = await world.withToken('/api/v1/stream', token);
    const ended = expect(stream.text()).rejects.toThrow();
    expect(await fso(['logout'])).toMatchObject({ code: 0 });
    await ended;
    expect((await world.withToken('/auth/session', token)).status).toBe(401);
  });

  it('refuses a code that another page brings', async () => {
    const { link, outcome } = await startLogin();
    const port = new URL(link).searchParams.get('port');
    expect((await fetch(`http://127.0.0.1:${port}/?code=${secret()}&state=${secret()}`)).status).toBe(404);
    const browser = await world.login('ada');
    const answer = await submit(browser, await formOf(await browser.request(link)));
    await (await fetch(answer.headers.get('Location') ?? '')).text();
    expect((await outcome).code).toBe(0);
  });
});

describe('a code', () => {
  it('is valid once', async () => {
    const verifier = secret();
    const code = await allowed(await world.login('ada'), verifier);
    expect((await exchange(code, verifier)).status).toBe(200);
    expect((await exchange(code, verifier)).status).toBe(400);
  });

  it('is valid only with the secret of the command, and invalid after an attempt without it', async () => {
    const verifier = secret();
    const code = await allowed(await world.login('ada'), verifier);
    expect((await exchange(code, secret())).status).toBe(400);
    expect((await exchange(code, verifier)).status).toBe(400);
  });

  it('is valid for a minute', async () => {
    const verifier = secret();
    const code = await allowed(await world.login('ada'), verifier);
    world.offsetMs = 60_000;
    expect((await exchange(code, verifier)).status).toBe(400);
  });

  it('is invalid once the person has logged out', async () => {
    const [browser, verifier] = [await world.login('ada'), secret()];
    const code = await allowed(browser, verifier);
    await world.call(browser, 'POST', '/auth/logout');
    expect((await exchange(code, verifier)).status).toBe(400);
  });

  it('gives a session that is invalid as a cookie, and ends when the login would have', async () => {
    const [browser, verifier] = [await world.login('ada'), secret()];
    const begun = await world.sessionOf(browser);
    world.offsetMs = 7 * HOUR;
    const token = await tokenOf(await exchange(await allowed(browser, verifier), verifier));
    const session = (await (await world.withToken('/auth/session', token)).json()) as { expiresAt: string };
    expect(session.expiresAt).toBe(begun.expiresAt);
    const other = createBrowser();
    other.cookies(world.hub.url).set('fso', token.replace('fsosession_', ''));
    expect((await other.request(world.url('/auth/session'))).status).toBe(401);
  });
});

describe('the page', () => {
  it('refuses a form of another session, of none, or a forged one', async () => {
    const [ada, vera] = [await world.login('ada'), await world.login('vera')];
    const form = await formOf(await ada.request(linkOf(40_000, secret())));
    for (const [browser, text] of [
      [vera, form],
      [createBrowser(), form],
      [ada, ''],
      [ada, `${form}x`],
    ] as const) {
      const answer = await submit(browser, text);
      expect([answer.status, (await problemOf(answer)).code]).toEqual([400, 'login-failed']);
    }
  });

  it.each([[{ Origin: 'https://evil.example', 'Sec-Fetch-Site': 'cross-site' }], [{ Origin: 'null', 'Sec-Fetch-Site': 'same-origin' }]])(
    'refuses a form of another origin: %j',
    async (headers) => {
      const ada = await world.login('ada');
      const answer = await submit(ada, await formOf(await ada.request(linkOf(40_000, secret()))), headers);
      expect(answer.status).toBe(403);
    },
  );

  it.each([
    ['port', '80'],
    ['port', '70000'],
    ['port', '40000@evil.example'],
    ['challenge', 'short'],
    ['state', '"><script>'],
  ])('is not shown with %s=%s', async (name, value) => {
    const ada = await world.login('ada');
    const link = new URL(linkOf(40_000, secret()));
    link.searchParams.set(name, value);
    expect((await ada.request(link.href)).status).toBe(400);
  });
});

it('explains the alternative where there is no provider', async () => {
  const port = await freePort();
  const hub = await world.bench.startHub({
    config: { apiToken: 'x'.repeat(16), listen: { host: '127.0.0.1', port }, dataDir: join(world.bench.folder, 'plain') },
  });
  const { code, err } = await runFso(['login'], { FSO_SERVER: hub.url, XDG_CONFIG_HOME: home });
  expect([code, err]).toEqual([2, expect.stringContaining('This hub has no identity provider')]);
});
