import { execFile, spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { HUB_SETTINGS } from '../config/config.ts';
import type { ApiHarness } from '../serve/testing/api-harness.ts';
import { clusterReport, desiredOf, OLD_REVISION, REVISION, report, TIME } from '../serve/testing/fleet.ts';
import { createHubClient } from './client/api-client.ts';
import { HubError } from './client/hub-requests.ts';
import { fso, runFso, startFilledApi } from './testing/run-fso.ts';

const MAIN = fileURLToPath(new URL('./main.ts', import.meta.url));

describe('fso report issues', () => {
  it('writes a table, or a file in the wanted form', async () => {
    await using server = await startFilledApi();
    const { code, out } = await fso(server, 'report', 'issues');
    expect([code, out.split('\r\n')[1]]).toEqual([0, expect.stringMatching(/^violation,us,finance,finance,Pod,api-1,n1,us-east-1,/)]);
    expect(JSON.parse((await fso(server, 'report', 'issues', '-o', 'json')).out)).toMatchObject({ violations: [{ name: 'api-1' }] });
    const folder = await mkdtemp(join(tmpdir(), 'fso-report-'));
    try {
      const file = join(folder, 'issues.html');
      expect(await fso(server, 'report', 'issues', '-o', 'html', '--out', file)).toEqual({ code: 0, out: '', err: '' });
      expect(await readFile(file, 'utf8')).toMatch(/^<!doctype html>/);
      const nowhere = await fso(server, 'report', 'issues', '--out', join(folder, 'none', 'issues.csv'));
      expect(nowhere).toMatchObject({ code: 2, err: expect.stringContaining('cannot write') });
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

describe('fso status and describe', () => {
  it('sum up the fleet, and a refused commit', async () => {
    await using server = await startFilledApi();
    const source = await server.ledger.source();
    const commit = { revision: OLD_REVISION, author: 'Bob', subject: 'Oops', time: TIME };
    const problems = [{ path: 'policies/x.yaml', line: 2, column: 3, reason: 'unknown field' }];
    if (source) await server.ledger.setSource({ ...source, rejected: { commit, problems } });
    const { code, out } = await fso(server, 'status');
    expect(code).toBe(0);
    expect(out).toContain('Clusters:    2, 2 connected, 2 in sync, 2 proven\n');
    expect(out).toContain('Violations:  1\n');
    expect(out).toContain('Refused: b2b2b2b2 Oops (Bob)\n  policies/x.yaml:2:3: unknown field\n');
  });

  it('show one thing in full', async () => {
    await using server = await startFilledApi();
    const policy = await fso(server, 'describe', 'policy', 'finance');
    expect(policy.out).toContain('Source:       policies/finance.yaml:1\n');
    expect(policy.out).toContain('Pod/api-1');
    expect(policy.out).toContain('finance is enforced');
    const cluster = await fso(server, 'describe', 'cluster', 'eu');
    expect(cluster.out).toContain('labels:        env=prod\n');
  });

  it('name the connected cluster whose state is unknown', async () => {
    await using server = await startFilledApi();
    const stream = { id: 'a', isOpen: () => true };
    await server.ledger.openStream('eu', stream);
    await server.ledger.noteObserved('eu', ['Pod', 'status'], stream);
    expect((await fso(server, 'status')).out).toContain('Clusters:    2, 2 connected (1 not observed), 2 in sync, 1 proven\n');
    expect((await fso(server, 'get', 'clusters')).out).toMatch(/^eu +NotObserved /m);
    expect((await fso(server, 'describe', 'cluster', 'eu')).out).toMatch(/not observed: +for .*: Pod,\s?status\n/);
  });

  it('answer negatively for what does not exist', async () => {
    await using server = await startFilledApi();
    expect(await fso(server, 'describe', 'policy', 'nope')).toEqual({
      code: 1,
      out: '',
      err: 'fso: Not found: There is no policy nope.\n',
    });
    expect(await fso(server, 'describe', 'cluster', 'nope')).toMatchObject({ code: 1, err: 'fso: Not found: There is no cluster nope.\n' });
  });
});

/**
 * Starts a command and resolves, with its outcome to come, when it has written to stderr what it
 * waits for.
 */
const startWaiting = (server: ApiHarness, ...args: string[]): Promise<{ outcome: ReturnType<typeof runFso> }> =>
  new Promise((resolve) => {
    const outcome = runFso(['wait', '--timeout', '150s', ...args], { FSO_SERVER: server.url }, (err) => {
      if (err.includes('waiting for us')) resolve({ outcome });
    });
  });

describe('fso wait', () => {
  it('is done at once when all have it', async () => {
    await using server = await startFilledApi();
    const { code, out } = await fso(server, 'wait', '--revision', REVISION.slice(0, 7));
    expect([code, out]).toEqual([0, expect.stringMatching(/^a1a1a1a is proven in 2 of 2 clusters \(waited \d+\.\d s\)\n$/)]);
  });

  it('follows the stream until the last cluster has it', async () => {
    await using server = await startFilledApi();
    await server.ledger.applyReport('us', report({ seq: 2, cluster: clusterReport(REVISION, OLD_REVISION) }));
    const { outcome } = await startWaiting(server);
    await server.ledger.applyReport('us', report({ seq: 3, cluster: clusterReport() }));
    const { code, out } = await outcome;
    expect([code, out]).toEqual([0, expect.stringMatching(/^HEAD is proven in 2 of 2 clusters/)]);
  });

  it.concurrent('lists which cluster lacks what when the time is over', async () => {
    await using server = await startFilledApi();
    await server.ledger.setConnected('us', false);
    const { code, err } = await fso(server, 'wait', '--timeout', '15s');
    expect(code).toBe(1);
    expect(err).toContain('fso: HEAD is not proven within 15 s: proven in 1 of 2 clusters\n  us is not connected (Disconnected)\n');
  });

  it.concurrent('reports that there is no such cluster', async () => {
    await using server = await startFilledApi();
    const { code, err } = await fso(server, 'wait', '--cluster', 'nowhere', '--timeout', '15s');
    expect([code, err]).toEqual([1, expect.stringContaining('the hub knows no cluster nowhere')]);
  });

  it.concurrent('names the commit of the hub when it never saw the revision', async () => {
    await using server = await startFilledApi();
    const { code, err } = await fso(server, 'wait', '--revision', 'ffff', '--timeout', '15s');
    expect([code, err]).toEqual([1, expect.stringContaining('the hub is at a1a1a1a1')]);
  });

  it('accepts a revision that came after the wanted one', async () => {
    await using server = await startFilledApi();
    const later = 'c3'.repeat(20);
    await server.ledger.applyReport('us', report({ seq: 2, cluster: clusterReport(REVISION, OLD_REVISION) }));
    const { outcome } = await startWaiting(server, '--revision', REVISION);
    const source = await server.ledger.source();
    const commit = { revision: later, author: 'Ada', subject: 'Next', time: TIME };
    if (source) await server.ledger.setSource({ ...source, revision: commit });
    await server.ledger.setDesired(desiredOf(later));
    for (const cluster of ['eu', 'us']) {
      await server.ledger.setAck(cluster, { revision: later, digest: 'd' });
      await server.ledger.applyReport(cluster, report({ seq: 3, cluster: clusterReport(later) }));
    }
    expect((await outcome).code).toBe(0);
  });
});

describe('errors', () => {
  it('explain how to reach a hub', async () => {
    const probe = createServer();
    await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve));
    const { port } = probe.address() as AddressInfo;
    await new Promise((resolve) => probe.close(resolve));
    for (const command of [['status'], ['wait']]) {
      const { code, err } = await runFso([...command, '--server', `http://127.0.0.1:${port}`]);
      expect([code, err]).toEqual([2, expect.stringContaining('Name another with --server or FSO_SERVER')]);
    }
  });

  it('ask for a token, and accept it from a variable', async () => {
    await using server = await startFilledApi({ apiToken: 's3cret' });
    expect(await fso(server, 'status')).toMatchObject({ code: 2, err: expect.stringContaining('needs a valid token') });
    expect(await fso(server, 'status', '--token', 'wrong')).toMatchObject({
      code: 2,
      err: expect.stringContaining('It says: The token is not one of this hub.'),
    });
    expect(await fso(server, 'status', '--token', 'two\nlines')).toMatchObject({ code: 2, err: expect.stringContaining('the API token') });
    expect((await runFso(['status'], { FSO_SERVER: server.url, FSO_TOKEN: 's3cret' })).code).toBe(0);
    expect(await fso(server, 'status', '--token-file', '/nowhere')).toMatchObject({
      code: 2,
      err: expect.stringContaining('cannot read the token file /nowhere'),
    });
  });

  it.each([
    [['get', 'pods']],
    [['get', 'policies', '-o', 'xml']],
    [['wait', '--revision', 'main']],
    [['wait', '--timeout', '0s']],
    [['status', '--server', 'ftp://x']],
    [['nonsense']],
    [['get', 'clusters', '--phase', 'Active']],
    [['get', 'policies', '--limit', '3']],
    [['describe', 'policy', '../status']],
    [['describe', 'policy', 'a/b/c']],
    [['describe', 'cluster', '..']],
    [['validate']],
  ])('end with 2 for wrong usage: %j', async (args) => {
    const { code, out, err } = await runFso(args);
    expect([code, out]).toEqual([2, '']);
    expect(err).not.toContain('    at ');
  });

  it('report that the other side is no hub', async () => {
    const other = createServer((_req, res) => res.end('<html>'));
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const client = createHubClient({ server: `http://127.0.0.1:${(other.address() as AddressInfo).port}` });
    await expect(client.status()).rejects.toThrow(HubError);
    await expect(client.status()).rejects.toThrow('not what a hub of this version sends');
    other.closeAllConnections();
    await new Promise((resolve) => other.close(resolve));
  });
});

describe('a reader that stops early', () => {
  it('ends the command without a stack', async () => {
    await using server = await startFilledApi();
    for (let n = 0; n < 300; n += 1)
      await server.ledger.addEvent(null, { time: TIME, severity: 'info', reason: 'Filler', message: 'x'.repeat(1000) });
    const child = spawn(process.execPath, [MAIN, 'get', 'events', '--limit', '400', '-o', 'json'], {
      env: { FSO_SERVER: server.url },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let err = '';
    child.stderr.on('data', (chunk: Buffer) => {
      err += chunk.toString();
    });
    child.stdout.once('readable', () => child.stdout.destroy());
    const code = await new Promise((resolve) => child.once('close', resolve));
    expect([code, err]).toEqual([0, '']);
  });
});

describe('the process of the command', () => {
  it.each([
    [2, 'wrong usage', ['get', 'policies', '--output', 'none']],
    [2, 'an error', ['validate', import.meta.dirname]],
    [0, 'success', ['completion', 'bash']],
  ])('exits with %i after %s', async (code, _what, args) => {
    const child = spawn(process.execPath, [MAIN, ...args], { env: {}, stdio: 'ignore' });
    expect(await new Promise((resolve) => child.once('close', resolve))).toBe(code);
  });
});

describe('fso --help', () => {
  it('lists every setting of the hub for serve', async () => {
    // Only the program of a process loads the settings.
    const { stdout: out } = await promisify(execFile)(process.execPath, [MAIN, 'serve', '--help'], { env: {} });
    const listed = new Set(out.split('\n').map((line) => /^ {2}([A-Z_]+) /.exec(line)?.[1]));
    expect(HUB_SETTINGS.filter(({ name }) => !listed.has(name))).toEqual([]);
  });

  it('names commands, environment and exit codes', async () => {
    const { code, out } = await runFso(['--help']);
    expect(code).toBe(0);
    for (const text of ['serve', 'validate', 'wait', 'report', 'FSO_TOKEN', 'Exit codes:', 'Examples:']) expect(out).toContain(text);
  });
});
