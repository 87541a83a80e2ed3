import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type ApiHarness, startApiHarness } from '../serve/testing/api-harness.ts';
import { createContext } from './context.ts';
import { recordIo, runFso } from './testing/run-fso.ts';

const STATIC = 'static-token-0123456789';
let home: string;
let kept: string;
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'fso-home-'));
  kept = join(home, 'fso', 'credentials.json');
});
afterEach(() => rm(home, { recursive: true, force: true }));

const start = () => startApiHarness({ apiToken: STATIC });
const fso = (server: ApiHarness, args: readonly string[], more: { token?: string; input?: string } = {}) =>
  runFso(args, { FSO_SERVER: server.url, XDG_CONFIG_HOME: home, ...(more.token && { FSO_TOKEN: more.token }) }, undefined, more.input);

describe('fso tokens', () => {
  it('makes a token, alone on its output, that works; lists and revokes it', async () => {
    await using server = await start();
    const created = await fso(server, ['tokens', 'create', 'ci', '--role', 'operator', '--expires', '30d'], { token: STATIC });
    expect(created).toMatchObject({ code: 0, out: expect.stringMatching(/^fso_[0-9a-f]{16}_[\w-]{43}\n$/) });
    expect(created.err).toMatch(/^Token [0-9a-f]{16}, operator, for (29|30)d\. It is shown this once:\n$/);
    const token = created.out.trim();
    const id = token.slice(4, 20);
    expect(await fso(server, ['fetch'], { token })).toMatchObject({ code: 0, out: '' });
    expect(server.hints).toBe(1);
    const listed = await fso(server, ['tokens', 'list'], { token: STATIC });
    expect(listed.out).toMatch(
      new RegExp(`^ID +NAME +ROLE +SCOPE +EXPIRES +USED +CREATED-BY\\n${id} +ci +operator +everything +in (29|30)d +\\d+s +local\\n$`),
    );
    expect(await fso(server, ['tokens', 'revoke', id], { token: STATIC })).toMatchObject({
      code: 0,
      err: expect.stringContaining(`Revoked ${id} (ci)`),
    });
    expect(await fso(server, ['fetch'], { token })).toMatchObject({
      code: 2,
      err: expect.stringContaining('It says: The API token is unknown, revoked or expired.'),
    });
    expect(await fso(server, ['tokens', 'revoke', id], { token: STATIC })).toMatchObject({
      code: 1,
      err: expect.stringContaining(`There is no token ${id}.`),
    });
  });

  it('makes a token with a scope, which it shows, and which the holder sees', async () => {
    await using server = await start();
    const selectors = ['--clusters', '{clusterRegions: [group:eu]}', '--policies', '{targetNamespaces: [finance-*]}'];
    const created = await fso(server, ['tokens', 'create', 'board', ...selectors], { token: STATIC });
    expect(created.err).toMatch(/^Token [0-9a-f]{16}, viewer for clusters in group:eu; policies for finance-\*, for/);
    const token = created.out.trim();
    expect((await fso(server, ['whoami'], { token })).out).toMatch(
      /\nRole: +viewer\nScope: +viewer for clusters in group:eu; policies for finance-\*\n/,
    );
    expect((await fso(server, ['tokens', 'list'], { token: STATIC })).out).toContain('clusters in group:eu; policies for finance-*');
    expect(await fso(server, ['audit', 'list'], { token })).toMatchObject({
      code: 2,
      err: expect.stringContaining(
        'with the role viewer for clusters in group:eu; policies for finance-*; this needs the role viewer for everything',
      ),
    });
    expect(await fso(server, ['tokens', 'create', 'x', '--clusters', '{clusterRegion: [eu]}'], { token: STATIC })).toMatchObject({
      code: 2,
      err: expect.stringContaining('--clusters:1:2: unknown field clusterRegion, did you mean clusterRegions?'),
    });
  });

  it('reports missing rights', async () => {
    await using server = await start();
    const viewer = (await fso(server, ['tokens', 'create', 'ci'], { token: STATIC })).out.trim();
    expect(await fso(server, ['tokens', 'create', 'x', '--role', 'admin'], { token: viewer })).toEqual({
      code: 2,
      out: '',
      err: 'fso: The caller may not do this: You are ci with the role viewer; this needs the role admin.\n',
    });
  });

  it.each([
    [['tokens', 'create']],
    [['tokens', 'create', 'ci', '--role', 'root']],
    [['tokens', 'create', 'ci', '--expires', '0d']],
    [['tokens', 'create', 'ci', '--expires', '401d']],
    [['tokens', 'forget', 'x']],
    [['tokens', 'revoke']],
  ])('ends with 2 for wrong usage: %j', async (args) => {
    const { code, out, err } = await runFso(args);
    expect([code, out]).toEqual([2, '']);
    expect(err).not.toContain('    at ');
  });
});

describe('fso login', () => {
  it('keeps a valid token, for its owner and its hub only', async () => {
    await using server = await start();
    await using other = await start();
    expect(await fso(server, ['login', '--with-token'], { input: `${STATIC}\n` })).toMatchObject({
      code: 0,
      out: '',
      err: expect.stringContaining('as local (admin)'),
    });
    expect([(await stat(kept)).mode & 0o777, (await stat(join(home, 'fso'))).mode & 0o777]).toEqual([0o600, 0o700]);
    const who = await fso(server, ['whoami']);
    expect(who).toMatchObject({ code: 0, err: '' });
    expect(who.out).toMatch(/Name: +local\nRole: +admin\nKind: +local\n/);
    expect((await fso(other, ['whoami'])).code).toBe(2);
    expect(await fso(server, ['logout'])).toMatchObject({ code: 0, err: expect.stringContaining('Removed the token') });
    expect((await fso(server, ['whoami'])).code).toBe(2);
    expect(await readFile(kept, 'utf8')).not.toContain(STATIC);
  });

  it('keeps nothing that the hub refuses', async () => {
    await using server = await start();
    expect(await fso(server, ['login', '--token', 'wrong'])).toMatchObject({
      code: 2,
      err: expect.stringContaining('needs a valid token'),
    });
    expect(await fso(server, ['login', '--with-token'], { input: ' \n' })).toMatchObject({
      code: 2,
      err: expect.stringContaining('no token on standard input'),
    });
    await expect(stat(kept)).rejects.toThrow('ENOENT');
  });

  it('yields to a token that is given for one call', async () => {
    await using server = await start();
    await fso(server, ['login', '--token', STATIC]);
    expect((await fso(server, ['whoami'], { token: 'wrong' })).code).toBe(2);
    expect((await fso(server, ['whoami', '--token', 'wrong'])).code).toBe(2);
    expect((await fso(server, ['whoami', '-o', 'json'])).out).toContain('"role": "admin"');
  });

  it('refuses a file that others may read, or that is damaged', async () => {
    await using server = await start();
    await fso(server, ['login', '--token', STATIC]);
    await chmod(kept, 0o644);
    expect(await fso(server, ['whoami'])).toMatchObject({
      code: 2,
      err: expect.stringContaining('others of this machine may read it: chmod 600'),
    });
    await chmod(kept, 0o600);
    await writeFile(kept, '{"x":1}');
    expect(await fso(server, ['whoami'])).toMatchObject({ code: 2, err: expect.stringContaining('is damaged') });
  });
});

describe('fso login-link', () => {
  it('prints a link that signs a browser in, alone on its output', async () => {
    await using server = await start();
    const { code, out, err } = await fso(server, ['login-link'], { token: STATIC });
    expect([code, err]).toEqual([0, expect.stringContaining('it signs in once, within')]);
    const link = new URL(out.trim());
    expect(link.origin + link.pathname).toBe(`${server.url}/auth/link`);
    const answer = await fetch(link, {
      method: 'POST',
      headers: { Origin: server.url },
      body: new URLSearchParams({ code: link.hash.slice(1) }),
      redirect: 'manual',
    });
    expect(answer.status).toBe(303);
  });

  it('prints the port-forward in a pod', async () => {
    await using server = await start();
    const env = { FSO_SERVER: server.url, XDG_CONFIG_HOME: home, FSO_TOKEN: STATIC, KUBERNETES_SERVICE_HOST: '10.0.0.1' };
    expect((await runFso(['login-link'], env)).err).toContain(`port-forward ${hostname()} 8080`);
  });
});

describe("the hub's own token", () => {
  const context = (env: NodeJS.ProcessEnv, server?: string) =>
    createContext({ color: false, ...(server !== undefined && { server }) }, recordIo({ env: { XDG_CONFIG_HOME: home, ...env } }).io);
  /** Header of the call that a command would make. */
  const sent = async (env: NodeJS.ProcessEnv, server?: string): Promise<string | null> => {
    let header: string | null = null;
    const { fetch: real } = globalThis;
    globalThis.fetch = (_url, init) => {
      header = new Headers(init?.headers).get('Authorization');
      return Promise.reject(new TypeError('no network'));
    };
    try {
      await (await context(env, server).connect()).session().catch(() => undefined);
    } finally {
      globalThis.fetch = real;
    }
    return header;
  };

  it('is taken from the environment of the hub, where nothing names another hub or token', async () => {
    const file = join(home, 'api-token');
    await writeFile(file, `${STATIC}\n`);
    expect(await sent({ FSO_API_TOKEN: STATIC })).toBe(`Bearer ${STATIC}`);
    expect(await sent({ FSO_API_TOKEN_FILE: file })).toBe(`Bearer ${STATIC}`);
    expect(await sent({ FSO_API_TOKEN_FILE: file, FSO_TOKEN: 'other' })).toBe('Bearer other');
    expect(await sent({ FSO_API_TOKEN: STATIC, FSO_SERVER: 'https://fso.example.com' })).toBeNull();
    expect(await sent({ FSO_API_TOKEN: STATIC }, 'https://fso.example.com')).toBeNull();
  });
});
