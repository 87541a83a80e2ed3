import { execFile, spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runFso } from '../../testing/run-fso.ts';
import { startTrialServer, type TrialServer } from './serve-git.ts';

const run = promisify(execFile);
let folder: string;
let policies: string;
const env = (): Record<string, string> => ({ PATH: process.env['PATH'] ?? '', HOME: folder });
const fso = (...args: string[]) => runFso(args, env());
const git = async (at: string, ...args: string[]): Promise<string> => (await run('git', ['-C', at, ...args], { env: env() })).stdout.trim();

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fso-init-'));
  policies = join(folder, 'my-policies');
});
afterEach(() => rm(folder, { recursive: true, force: true }));

describe('fso init', () => {
  it('makes a repository that the hub would take, with the samples and the cluster, in one commit', async () => {
    const made = await fso('init', policies, '--cluster', 'trial', '--region', 'eu-west-1', '--label', 'environment=production');
    expect(made).toMatchObject({ code: 0, out: '', err: expect.stringContaining(`fso serve-git ${policies}`) });
    expect(await git(policies, 'log', '--format=%an %s')).toBe('Governance Policies to begin with');
    expect(await git(policies, 'status', '--porcelain')).toBe('');
    const valid = await fso('validate', policies);
    expect(valid).toMatchObject({ code: 0, out: expect.stringMatching(/^ok: 6 policies, 1 cluster, 3 region groups/) });
    expect(valid.out).toMatch(/^trial +eu-west-1 +4$/m);
    expect(await readFile(join(policies, 'README.md'), 'utf8')).toContain('signers/allowed_signers');
  });

  it('lists the signer, and signs what it and others commit', async () => {
    const key = join(folder, 'key');
    await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'ana', '-f', key]);
    await git(folder, 'config', '--global', 'user.email', 'ana@example.org');
    expect(await fso('init', policies, '--signer', `${key}.pub`)).toMatchObject({ code: 0, err: expect.stringContaining('--set-file') });
    const signers = join(policies, 'signers', 'allowed_signers');
    expect(await readFile(signers, 'utf8')).toBe(`ana@example.org namespaces="git" ${(await readFile(`${key}.pub`, 'utf8')).trim()}\n`);
    await git(policies, '-c', 'user.name=Ana', 'commit', '--quiet', '--allow-empty', '--message', 'more');
    for (const commit of ['HEAD', 'HEAD~1'])
      await expect(git(policies, '-c', `gpg.ssh.allowedSignersFile=${signers}`, 'verify-commit', commit)).resolves.toBe('');
  });

  it('leaves alone what is there, and makes nothing of what is wrong', async () => {
    expect(await fso('init', policies, '--cluster', 'trial')).toMatchObject({ code: 2, err: expect.stringContaining('--region') });
    await writeFile(join(folder, 'key.pub'), 'a text\n');
    expect(await fso('init', folder)).toMatchObject({ code: 2, err: `fso: ${folder} is not empty\n` });
    const wrong = await fso('init', join(folder, 'other'), '--signer', join(folder, 'key.pub'));
    expect(wrong).toMatchObject({ code: 2, err: expect.stringContaining('not a public SSH key') });
  });
});

describe('fso serve-git', () => {
  let server: TrialServer | undefined;
  afterEach(() => server?.close());
  const serve = async (): Promise<string> => {
    await fso('init', policies);
    server = await startTrialServer(policies, { address: '127.0.0.1', port: 0 }, env());
    return server.url;
  };

  it('lets others fetch what is committed in the folder', async () => {
    const url = await serve();
    const clone = join(folder, 'clone');
    await git(folder, 'clone', '--quiet', url, clone);
    await git(policies, '-c', 'user.name=a', '-c', 'user.email=b', 'commit', '--quiet', '--allow-empty', '--message', 'more');
    await git(clone, 'pull', '--quiet');
    expect(await git(clone, 'rev-parse', 'HEAD')).toBe(await git(policies, 'rev-parse', 'HEAD'));
  });

  it('refuses pushes, also where the repository would take them, and everything that is no fetch', async () => {
    const url = await serve();
    await git(policies, 'config', 'http.receivepack', 'true');
    await expect(git(policies, 'push', url, 'main:other')).rejects.toThrow(/not found/);
    const paths = [
      '',
      '/.git/config',
      '/HEAD',
      '/../my-policies/info/refs?service=git-receive-pack',
      '/info/refs',
      '/%2e%2e/git-upload-pack',
    ];
    const statuses = await Promise.all(paths.map(async (path) => (await fetch(url + path)).status));
    expect(statuses).toEqual(paths.map(() => 404));
  });

  it('prints the next steps, and ends by a signal', async () => {
    await fso('init', policies);
    const main = new URL('../../main.ts', import.meta.url).pathname;
    const child = spawn(process.execPath, [main, 'serve-git', policies, '--port', '0'], {
      env: env(),
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let said = '';
    child.stderr.on('data', (chunk: Buffer) => {
      said += chunk.toString();
    });
    await expect.poll(() => said).toContain('helm install fso-hub');
    const [url = ''] = /http:\S+/.exec(said) ?? [];
    expect(await git(folder, 'ls-remote', url, 'main')).toContain('refs/heads/main');
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGINT');
    expect(await ended).toBe(0);
  });

  it('serves nothing but a repository', async () => {
    expect(await fso('serve-git', folder)).toMatchObject({ code: 2, err: expect.stringContaining('not the root of a Git repository') });
  });
});
