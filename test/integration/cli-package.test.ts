import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { KUBECTL_TOOL } from '../../clusters/toolchain/modules.ts';
import { ensureTools } from '../../clusters/toolchain/tools.ts';
import { type Outcome, startFilledApi } from '../../hub/cli/testing/run-fso.ts';
import { backUp, openDatabase } from '../../hub/ledger/index.ts';
import { migrate } from '../../hub/ledger/sql/migrate.ts';
import { noticesOf } from '../harness/notices.ts';
import { never } from '../harness/waiting.ts';

const run = promisify(execFile);

const ROOT = join(import.meta.dirname, '..', '..');

/**
 * Folder of this process's own Node.js, and of the one that the machine has besides, which may be
 * an older one.
 */
const runtimes = async (): Promise<readonly string[]> => {
  const others = (process.env['PATH'] ?? '').split(delimiter).filter((path) => !path.includes('node_modules'));
  const { stdout } = await run('sh', ['-c', 'command -v node || true'], { env: { PATH: others.join(delimiter) } });
  return [dirname(process.execPath), ...(stdout === '' ? [] : [dirname(stdout.trim())])];
};

let folder: string;
let programs: string;
let kubectl: string;

/** The package, as one installs it where no registry can be reached. */
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fso-package-'));
  await run('npm', ['run', 'pack:cli', '--', '--pack-destination', folder], { cwd: ROOT });
  const [tarball = ''] = await readdir(folder);
  await run('npm', ['install', '--global', '--offline', '--prefix', join(folder, 'installed'), join(folder, tarball)]);
  programs = join(folder, 'installed', 'bin');
  const tools = await ensureTools({ env: process.env, log: () => undefined, modules: [KUBECTL_TOOL] }, never);
  kubectl = join(tools[KUBECTL_TOOL.name] ?? '', 'kubectl');
});

afterAll(() => rm(folder, { recursive: true, force: true }));

const start = (runtime: string, command: readonly [string, ...string[]], env: Readonly<Record<string, string>> = {}): Promise<Outcome> => {
  const [program, ...args] = command;
  const file = program === 'kubectl' ? kubectl : join(programs, program);
  const PATH = [runtime, programs, '/usr/bin', '/bin'].join(delimiter);
  return new Promise((done) => {
    execFile(file, args, { cwd: folder, env: { HOME: folder, PATH, ...env } }, (error, out, err) =>
      done({ code: error === null ? 0 : Number(error.code), out, err }),
    );
  });
};

describe.each(await runtimes())('the npm package, on the Node.js in %s', (runtime) => {
  it('is the command fso', async () => {
    const { version } = JSON.parse(await readFile(join(ROOT, 'hub/package.json'), 'utf8')) as { version: string };
    expect(await start(runtime, ['fso', '--version'])).toEqual({ code: 0, out: `${version}\n`, err: '' });
    expect(await start(runtime, ['fso', '--help'])).toMatchObject({ code: 0, out: expect.stringContaining('Usage: fso '), err: '' });
    expect(await start(runtime, ['fso', 'serve'])).toMatchObject({ code: 2, err: expect.stringContaining("unknown command 'serve'") });
  });

  it('checks policy folders and audit logs without a hub', async () => {
    const checked = await start(runtime, ['fso', 'validate', join(ROOT, 'clusters/samples')]);
    expect(checked).toMatchObject({ code: 0, out: expect.stringMatching(/^ok: \d+ policies/), err: '' });
    const verified = await start(runtime, ['fso', 'audit', 'verify', join(ROOT, 'LICENSE')]);
    expect(verified).toMatchObject({ code: 1, err: expect.stringContaining('is no entry of an audit log') });
  });

  it('plans a change, and explains regions', async () => {
    const repository = await mkdtemp(join(folder, 'policies-'));
    await cp(join(ROOT, 'clusters/samples'), repository, { recursive: true });
    expect(await start(runtime, ['fso', 'regions', 'update', '--dir', repository])).toMatchObject({ code: 0 });
    const registration = { metadata: { name: 'eu' }, spec: { regions: ['eu-west-1', 'eu-central-1'], provider: 'aws' } };
    const cluster = { apiVersion: 'compliance.federated.io/v1', kind: 'ManagedCluster', ...registration };
    await mkdir(join(repository, 'clusters'));
    await writeFile(join(repository, 'clusters/eu.yaml'), JSON.stringify(cluster));
    const git = (...args: string[]) => run('git', ['-c', 'user.name=t', '-c', 'user.email=t@example.org', ...args], { cwd: repository });
    await git('init', '-q', '-b', 'main');
    await git('add', '-A');
    await git('commit', '-qm', 'first');
    const plan: [string, ...string[]] = ['fso', 'plan', '--dir', repository, '--base', 'main'];
    expect(await start(runtime, plan)).toMatchObject({ code: 0, out: expect.stringContaining('Nothing changes') });
    const lost = await start(runtime, [...plan, '--without-region', 'eu-west-1']);
    expect(lost).toMatchObject({ code: 1, out: expect.stringContaining('nodes are left in eu-central-1') });
    const explained = await start(runtime, ['fso', 'regions', 'explain', 'eu-west-1', '--dir', repository]);
    expect(explained).toMatchObject({ code: 0, out: expect.stringContaining('Ireland (aws/eu-west-1)') });
  });

  it('gets backups from a hub, and names the program that opens a database', async () => {
    const apiToken = 'static-token-0123456789';
    const database = { folder: join(folder, `ledger${runtime.replaceAll('/', '-')}`) };
    const reader = await openDatabase(database);
    await migrate(reader);
    await reader.close();
    await using server = await startFilledApi({ apiToken, backup: (target) => backUp(database, { version: 'test' }, target) });
    const env = { FSO_SERVER: server.url, FSO_TOKEN: apiToken };
    const file = `backup${runtime.replaceAll('/', '-')}.gz`;
    expect(await start(runtime, ['fso', 'backup', '--from-hub', file], env)).toMatchObject({
      code: 0,
      out: expect.stringMatching(/gz: 0 clusters, .*\nsha256 [0-9a-f]{64}\n/),
    });
    expect(await start(runtime, ['fso', 'backup', file], env)).toMatchObject({ code: 2, err: expect.stringContaining('add --from-hub') });
  });

  it('asks a hub, as a plugin of kubectl too', async () => {
    await using server = await startFilledApi();
    const env = { FSO_SERVER: server.url };
    const [first, second] = await Promise.all([
      start(runtime, ['fso', 'get', 'policies'], env),
      start(runtime, ['kubectl', 'fso', 'get', 'policies', '--no-color'], env),
    ]);
    expect(first).toMatchObject({ code: 0, out: expect.stringContaining('finance'), err: '' });
    expect(second).toEqual(first);
    expect((await start(runtime, ['fso', 'audit', 'verify'], env)).out).toContain('intact');
    expect(await start(runtime, ['kubectl', 'fso', '--help'])).toMatchObject({
      code: 0,
      out: expect.stringContaining('Usage: kubectl fso '),
    });
    expect((await start(runtime, ['kubectl', 'fso', 'get', '--help'])).out).toContain('Usage: kubectl fso get ');
    expect((await start(runtime, ['kubectl', 'plugin', 'list', '--name-only'])).out).toContain('kubectl-fso\n');
  });

  it('completes what a user types', async () => {
    expect((await start(runtime, ['kubectl_complete-fso', 'get', 'po'])).out).toBe('policies\t\n:4\n');
    expect((await start(runtime, ['kubectl', '__complete', 'fso', 'get', 'po'])).out).toBe('policies\n:4\n');
    expect((await start(runtime, ['fso', 'completion', 'tcsh'])).code).toBe(2);
  });
});

/** Completions that the shell offers after these words, of which the last one may be incomplete. */
const offers = async (words: readonly string[]): Promise<string> => {
  const script = `eval "$(fso completion bash)"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _fso; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const PATH = [dirname(process.execPath), programs, '/usr/bin', '/bin'].join(delimiter);
  return (await run('bash', ['--norc', '-c', script, 'bash', ...words], { env: { HOME: folder, PATH } })).stdout;
};

it.each([
  [['fso', 'cl'], 'clusters\n'],
  [['fso', 'clusters', 'f'], 'forget\n'],
  [['fso', 'get', 'policies', '-o', ''], 'table\nwide\njson\nyaml\n'],
  [['fso', '--token-f'], '--token-file\n'],
])('bash completes %j', async (words, expected) => {
  expect(await offers(words)).toBe(expected);
});

it('brings its licence and those of what it contains, and has the version of the hub', async () => {
  const installed = join(folder, 'installed/lib/node_modules/@fso/cli');
  const manifests = await Promise.all(
    [join(installed, 'package.json'), join(ROOT, 'hub/package.json')].map((path) => readFile(path, 'utf8')),
  );
  const [cli, hub] = manifests.map((text) => JSON.parse(text) as { version: string; license: string });
  expect([cli?.version, cli?.license]).toEqual([hub?.version, 'Apache-2.0']);
  expect(await readFile(join(installed, 'dist/LICENSE'), 'utf8')).toBe(await readFile(join(ROOT, 'LICENSE'), 'utf8'));
  // More would mean that the database or another part of the hub came in.
  expect(noticesOf(join(installed, 'dist')).map(({ title, license }) => `${title.replace(/ .*/, '')} ${license}`)).toEqual([
    'commander MIT',
    'eventsource-parser MIT',
    'yaml ISC',
    'zod MIT',
  ]);
});
