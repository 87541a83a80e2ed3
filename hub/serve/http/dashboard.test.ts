import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ApiHarness, startApiHarness } from '../testing/api-harness.ts';
import { PAGE_POLICY } from './headers.ts';

const STATIC = 'static-token-0123456789';

const SECRET = 'not for anybody';

let parent: string;
let folder: string;
beforeAll(async () => {
  parent = await mkdtemp(join(tmpdir(), 'fso-dashboard-'));
  folder = join(parent, 'dist');
  await mkdir(join(folder, 'assets'), { recursive: true });
  await mkdir(join(parent, 'dist-old'));
  await writeFile(join(parent, 'secret.txt'), SECRET);
  await writeFile(join(parent, 'dist-old', 'secret.txt'), SECRET);
  await writeFile(join(folder, 'index.html'), '<!doctype html><title>page</title>');
  await writeFile(join(folder, 'assets', 'app-abc.js'), 'plain');
  await writeFile(join(folder, 'assets', 'app-abc.js.br'), 'as brotli');
  await writeFile(join(folder, 'assets', 'app-abc.js.gz'), 'as gzip');
});
afterAll(() => rm(parent, { recursive: true, force: true }));

interface Answer {
  readonly status: number | undefined;
  readonly headers: NodeJS.Dict<string | string[]>;
  readonly text: string;
}

/** Sends a request without `fetch`, which would decompress the answer and normalize the path. */
const get = (server: ApiHarness, path: string, headers: Record<string, string> = {}, method = 'GET'): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const call = request(server.url, { path, method, headers }, (response) => {
      let text = '';
      response.on('data', (chunk: Buffer) => {
        text += chunk.toString();
      });
      response.on('end', () => resolve({ status: response.statusCode, headers: response.headers, text }));
    });
    call.on('error', reject).end();
  });

const AS_BROWSER = { accept: 'text/html,application/xhtml+xml,*/*;q=0.8' };

describe('the dashboard', () => {
  it.each(['/', '/policies?phase=Failed', '/policies/finance', '/login', '/activity/a.b'])('opens at %s', async (path) => {
    await using server = await startApiHarness({ apiToken: STATIC, dashboard: folder });
    const { status, headers, text } = await get(server, path, AS_BROWSER);
    expect([status, text]).toEqual([200, '<!doctype html><title>page</title>']);
    expect(headers['content-type']).toBe('text/html;charset=utf-8');
    expect(headers['content-security-policy']).toBe(PAGE_POLICY);
    expect(headers['cache-control']).toBe('no-cache');
    expect(headers['x-content-type-options']).toBe('nosniff');
  });

  it('has files that a browser keeps for ever, packed as it likes', async () => {
    await using server = await startApiHarness({ dashboard: folder });
    const path = '/assets/app-abc.js';
    const plain = await get(server, path);
    expect([plain.text, plain.headers['content-encoding']]).toEqual(['plain', undefined]);
    const gzip = await get(server, path, { 'accept-encoding': 'gzip' });
    expect([gzip.text, gzip.headers['content-encoding']]).toEqual(['as gzip', 'gzip']);
    const brotli = await get(server, path, { 'accept-encoding': 'gzip, deflate, br' });
    expect([brotli.text, brotli.headers['content-encoding']]).toEqual(['as brotli', 'br']);
    expect(brotli.headers).toMatchObject({
      'cache-control': 'public, max-age=31536000, immutable',
      'content-type': 'text/javascript',
      vary: 'Accept-Encoding',
    });
    const again = await get(server, path, { 'if-none-match': String(plain.headers['etag']) });
    expect([again.status, again.text]).toEqual([304, '']);
  });

  it.each([
    ['/api/v1/nothing', AS_BROWSER, 404],
    ['/api', AS_BROWSER, 404],
    ['/auth/nothing', AS_BROWSER, 404],
    ['/metrics', AS_BROWSER, 401],
    ['/assets/app-old.js', { accept: '*/*' }, 404],
    ['/policies', { accept: 'application/json' }, 404],
  ])('answers no %s for %o', async (path, headers, expected) => {
    await using server = await startApiHarness({ apiToken: STATIC, dashboard: folder });
    const answer = await get(server, path, headers);
    expect([answer.status, answer.headers['content-type']]).toEqual([expected, expect.stringContaining('application/problem+json')]);
    expect(answer.headers['content-security-policy']).toMatch(/^default-src 'none';base-uri 'none'/);
    expect(answer.headers['cache-control']).toBe('no-store');
  });

  it.each([
    '/../secret.txt',
    '/assets/../../secret.txt',
    '/%2e%2e/secret.txt',
    '/..%2fsecret.txt',
    '/%2e%2e%2fsecret.txt',
    '/assets/..%2f..%2fsecret.txt',
    '/..\\secret.txt',
    '/..%5csecret.txt',
    '/%252e%252e/secret.txt',
    '/../dist-old/secret.txt',
    '/..%2fdist-old%2fsecret.txt',
    '//secret.txt',
    '/assets/app-abc.js%00/../../../secret.txt',
  ])('gives out nothing beside its folder: %s', async (path) => {
    await using server = await startApiHarness({ apiToken: STATIC, dashboard: folder });
    const answers = [await get(server, path, { accept: '*/*' }), await get(server, path, AS_BROWSER)];
    for (const { text } of answers) expect(text).not.toContain(SECRET);
    expect(answers[0]?.status).toBeGreaterThanOrEqual(400);
  });

  it('refuses other methods with a problem', async () => {
    await using server = await startApiHarness({ dashboard: folder });
    expect((await get(server, '/', AS_BROWSER, 'POST')).status).toBe(404);
    const head = await get(server, '/', AS_BROWSER, 'HEAD');
    expect([head.status, head.text]).toEqual([200, '']);
  });

  it('explains to people how to build it where it is missing', async () => {
    await using server = await startApiHarness({ dashboard: join(folder, 'assets') });
    const { status, text } = await get(server, '/policies', AS_BROWSER);
    expect([status, text]).toEqual([503, expect.stringContaining('npm run build')]);
    expect((await get(server, '/policies', { accept: 'application/json' })).status).toBe(404);
    expect((await get(server, '/healthz')).status).toBe(200);
  });
});
