import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FakeClock } from '@fso/shared/fake-clock';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openSource } from '../source.ts';
import { createGitAuth, type GitAuthOptions } from './git-auth.ts';
import { createGitHttp, type PackReceiver } from './git-http.ts';

const handOn: PackReceiver = async (answer) => answer;

let folder: string;
const servers: ReturnType<typeof createServer>[] = [];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fso-git-auth-'));
});
afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
  await rm(folder, { recursive: true, force: true });
});

const never = new AbortController().signal;
const decode = (header: string | undefined): string => Buffer.from(header?.replace('Basic ', '') ?? '', 'base64').toString();

/** A program that writes down each call, and runs the given script. */
const program = async (script: string): Promise<GitAuthOptions & { calls(): Promise<number> }> => {
  const [file, log] = [join(folder, 'auth.cjs'), join(folder, 'calls')];
  await writeFile(log, '');
  await writeFile(file, `require('node:fs').appendFileSync(${JSON.stringify(log)}, '.');\n${script}`);
  return {
    authCommand: { argv: [process.execPath, file, 'one argument; $(two)'], env: { ONLY: 'this' } },
    calls: async () => (await readFile(log, 'utf8')).length,
  };
};
const failure = async (options: GitAuthOptions): Promise<string> =>
  createGitAuth(options, new FakeClock())
    .header(never)
    .then(
      () => 'it did not fail',
      (error: Error) => `${error.name}: ${error.message}`,
    );

describe('credentials', () => {
  it('are none, or user and password', async () => {
    const clock = new FakeClock();
    expect(await createGitAuth({}, clock).header(never)).toBeUndefined();
    expect(decode(await createGitAuth({ credentials: { username: 'bot', password: 'p:ä' } }, clock).header(never))).toBe('bot:p:ä');
  });
});

describe('command', () => {
  it.each([
    ['Bearer abc.def', 'Bearer abc.def'],
    ['{"header":"Basic eHl6"}', 'Basic eHl6'],
  ])('prints a header: %s', async (text, header) => {
    const options = await program(`console.log(${JSON.stringify(text)})`);
    expect(await createGitAuth(options, new FakeClock()).header(never)).toBe(header);
  });

  it.each(['ghs_token', '{"token":"ghs_token"}'])('prints a token: %s', async (text) => {
    const options = await program(`console.log(${JSON.stringify(text)})`);
    expect(decode(await createGitAuth(options, new FakeClock()).header(never))).toBe('x-access-token:ghs_token');
  });

  it('gets its arguments unchanged, and a minimal environment', async () => {
    const options = await program(
      'console.log(JSON.stringify({ token: Buffer.from(JSON.stringify([process.argv.slice(2), process.env.ONLY, process.env.PATH])).toString("base64url") }))',
    );
    const token = decode(await createGitAuth(options, new FakeClock()).header(never)).split(':')[1] ?? '';
    expect(JSON.parse(Buffer.from(token, 'base64url').toString())).toEqual([['one argument; $(two)'], 'this', null]);
  });

  it('runs again before its credentials expire, and after they were refused', async () => {
    const options = await program('console.log(JSON.stringify({ token: "t", expiresAt: "2026-01-01T01:00:00Z" }))');
    const clock = new FakeClock();
    const auth = createGitAuth(options, clock);
    await auth.header(never);
    await clock.advance(3_539_000);
    await auth.header(never);
    expect(await options.calls()).toBe(1);
    await clock.advance(1000);
    await auth.header(never);
    expect(await options.calls()).toBe(2);
    const fresh = createGitAuth(options, new FakeClock());
    await fresh.header(never);
    fresh.refused();
    await fresh.header(never);
    expect(await options.calls()).toBe(4);
  });

  it('runs again after five minutes when it gives no expiry', async () => {
    const options = await program('console.log("token")');
    const clock = new FakeClock();
    const auth = createGitAuth(options, clock);
    await auth.header(never);
    await clock.advance(299_999);
    await auth.header(never);
    expect(await options.calls()).toBe(1);
    await clock.advance(1);
    await auth.header(never);
    expect(await options.calls()).toBe(2);
  });

  it.each([
    ['ends badly', 'console.log("hunter2"); console.error("hunter2"); process.exit(3)', 'ended with 3'],
    ['prints nothing', '', 'did not print a header'],
    ['prints lines', 'console.log("hunter2\\nX-Evil: 1")', 'did not print a header'],
    ['prints a line break in JSON', 'console.log(JSON.stringify({ header: "Bearer hunter2\\r\\nX: 1" }))', 'did not print a header'],
    ['prints half of a JSON', 'console.log(\'{"token":"hunter2"\')', 'did not print a header'],
    ['prints both', 'console.log(\'{"token":"hunter2","header":"Bearer hunter2"}\')', 'did not print a header'],
    ['prints too much', 'console.log("hunter2".repeat(20000))', 'printed more than 65536 bytes'],
  ])('is reported when it %s, without its output', async (_what, script, reason) => {
    const told = await failure(await program(script));
    expect(told).toContain(`GitTransportError: the command of FSO_GIT_AUTH_COMMAND ${reason}`);
    expect(told).not.toContain('hunter2');
  });

  it('is killed when it hangs', async () => {
    const options = await program('setInterval(() => {}, 1000)');
    expect(await failure({ ...options, commandTimeoutMs: 200 })).toContain('took longer than');
  });

  it('is reported when it does not exist', async () => {
    expect(await failure({ authCommand: { argv: ['/nowhere/auth'], env: {} } })).toContain('could not be started (ENOENT)');
  });
});

interface GitRequest {
  readonly path: string;
  readonly authorization: string | undefined;
}
/** Starts a server that records its requests and answers them with a handler. */
const serve = async (answer: RequestListener): Promise<{ url: string; received: GitRequest[] }> => {
  const received: GitRequest[] = [];
  const server = createServer((request, response) => {
    received.push({ path: request.url ?? '', authorization: request.headers.authorization });
    answer(request, response);
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, received };
};

describe('credentials stay with the configured server', () => {
  it.each(['http', 'https'])('go nowhere else after a redirect (%s)', async (scheme) => {
    const other = await serve((_request, response) => void response.end());
    const location = `${other.url.replace('http', scheme)}/p.git/info/refs?service=git-upload-pack`;
    const first = await serve((_request, response) => void response.writeHead(307, { Location: location }).end());
    const lines: string[] = [];
    const source = await openSource(
      {
        url: `${first.url}/p.git`,
        ref: 'main',
        dataDir: folder,
        pollMs: 60_000,
        credentials: { username: 'bot', password: 'hunter2' },
        trust: { mode: 'off' },
      },
      { clock: new FakeClock(), logger: pino({ level: 'trace' }, { write: (line) => void lines.push(line) }), random: () => 0.5 },
    );
    const stopping = new AbortController();
    const running = source.run(stopping.signal);
    await expect.poll(() => source.state().error?.message).toMatch(/redirects elsewhere/);
    stopping.abort();
    await running;
    expect(first.received.map(({ authorization }) => decode(authorization))).toEqual(['bot:hunter2']);
    expect(other.received).toEqual([]);
    const everything = JSON.stringify(source.state()) + lines.join('');
    expect(everything).not.toContain('hunter2');
    expect(everything).not.toContain(Buffer.from('bot:hunter2').toString('base64'));
  });

  it('go nowhere else when another origin is requested by the same client', async () => {
    const [own, other] = [
      await serve((_request, response) => void response.end()),
      await serve((_request, response) => void response.end()),
    ];
    const auth = createGitAuth({ credentials: { username: 'bot', password: 'hunter2' } }, new FakeClock());
    const http = createGitHttp({ maxBytes: 1000, timeoutMs: 50_000, access: { origin: own.url, auth } });
    for (const { url } of [own, other]) await http.client(never, handOn).request({ url: `${url}/` });
    await http.close();
    expect([decode(own.received[0]?.authorization), other.received]).toEqual(['bot:hunter2', [{ path: '/', authorization: undefined }]]);
  });

  it('go nowhere else when the same host is requested over plain HTTP', async () => {
    const server = await serve((_request, response) => void response.end());
    const auth = createGitAuth({ credentials: { username: 'bot', password: 'hunter2' } }, new FakeClock());
    const http = createGitHttp({ maxBytes: 1000, timeoutMs: 50_000, access: { origin: server.url.replace('http:', 'https:'), auth } });
    await http.client(never, handOn).request({ url: `${server.url}/` });
    await http.close();
    expect(server.received).toEqual([{ path: '/', authorization: undefined }]);
  });

  it.each([401, 403])('go nowhere else when a command runs again after a refusal (%i)', async (status) => {
    const server = await serve((_request, response) => void response.writeHead(status).end());
    const options = await program(
      'console.log("Bearer " + require("node:fs").readFileSync(require("node:path").join(__dirname, "calls"), "utf8").length)',
    );
    const http = createGitHttp({
      maxBytes: 1000,
      timeoutMs: 50_000,
      access: { origin: server.url, auth: createGitAuth(options, new FakeClock()) },
    });
    for (let i = 0; i < 2; i += 1) await http.client(never, handOn).request({ url: `${server.url}/` });
    await http.close();
    expect(server.received.map(({ authorization }) => authorization)).toEqual(['Bearer 1', 'Bearer 2']);
  });
});
