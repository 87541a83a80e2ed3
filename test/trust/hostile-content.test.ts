import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { mkdir, open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SourceView } from '@fso/shared/api';
import { byText } from '@fso/shared/encoding';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type GitRepository, openGitRepository, runGit } from '../../clusters/demo/git-repository.ts';
import { type GitServer, startGitServer } from '../../clusters/demo/git-server.ts';
import { type Program, startProgram } from '../../clusters/demo/programs.ts';
import { freePort } from '../../clusters/local/ports.ts';
import nodeSettings from '../../node-settings.json' with { type: 'json' };
import { basicRepository, policyFile } from '../harness/policy-files.ts';
import { startPostgres } from '../harness/postgres.ts';
import { waitFor } from '../harness/waiting.ts';
import { openSigningBench, type SigningBench } from './signing-bench.ts';

const MB = 1024 * 1024;
/**
 * The resources of one hub stay limited, whatever it receives, with PostgreSQL and the heap that
 * docs/reference/limits.md names.
 */
const MEMORY_MB = 512;

let folder: string;
let keys: SigningBench;
let git: GitServer;
let repository: GitRepository;
let hub: Program;
let url = '';
let good = '';
const cleanups: (() => unknown)[] = [];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'fso-hostile-'));
  cleanups.push(() => rmSync(folder, { recursive: true, force: true }));
  keys = openSigningBench();
  cleanups.push(() => keys.close());
  const ana = keys.sshKey('ana', '-t', 'ed25519');
  git = await startGitServer({ root: join(folder, 'git') });
  cleanups.push(() => git.stop());
  await git.create('policies.git');
  // The signer is the attacker here: a signature proves the author, not that the content is
  // sensible.
  repository = await openGitRepository(join(folder, 'work'), git.url('policies.git'), ana);
  good = await repository.commit(basicRepository(), 'good');
  writeFileSync(join(folder, 'tokens.json'), JSON.stringify({ eu: 'token-of-eu-0123456789' }));
  writeFileSync(join(folder, 'allowed_signers'), `ana@example.org ${ana.line}\n`);
  const postgres = await startPostgres();
  cleanups.push(() => postgres.stop());
  const port = await freePort();
  url = `http://127.0.0.1:${port}`;
  hub = startProgram({
    name: 'hub',
    command: [join(import.meta.dirname, '..', '..', 'hub/cli/main.ts'), 'serve'],
    env: {
      NODE_OPTIONS: `${nodeSettings.NODE_OPTIONS} --max-old-space-size=256`,
      DATABASE_URL: await postgres.createDatabase(),
      FSO_GIT_URL: git.url('policies.git'),
      FSO_GIT_POLL_MS: '200',
      FSO_LISTEN: `127.0.0.1:${port}`,
      FSO_AGENT_LISTEN: `127.0.0.1:${await freePort()}`,
      FSO_AGENT_TOKENS_FILE: join(folder, 'tokens.json'),
      FSO_DATA_DIR: join(folder, 'hub'),
      FSO_SIGNERS_FILE: join(folder, 'allowed_signers'),
    },
    logFile: join(folder, 'hub.log'),
  });
  cleanups.push(() => hub.stop());
  await inForce(good);
});
afterAll(async () => {
  for (const cleanup of cleanups.reverse()) await cleanup();
});

const sourceOf = async (): Promise<SourceView> => SourceView.parse(await (await fetch(`${url}/api/v1/source`)).json());
const inForce = (revision: string): Promise<void> =>
  waitFor(async () => {
    hub.assertRunning();
    expect((await sourceOf()).revision?.revision).toBe(revision);
  });
const eventsOf = async (reason: string): Promise<{ message: string; revision?: string }[]> => {
  const { items } = (await (await fetch(`${url}/api/v1/events?limit=500`)).json()) as { items: { reason: string; message: string }[] };
  return items.filter((event) => event.reason === reason);
};
const memoryPeakMb = (): number => Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${hub.pid}/status`, 'utf8'))?.[1]) / 1024;
/** Checks that the hub answers, is within its memory, and has the good commit. */
const standsFirm = async (): Promise<void> => {
  hub.assertRunning();
  expect((await fetch(`${url}/healthz`)).status).toBe(200);
  expect((await sourceOf()).revision?.revision).toBe(good);
  expect(memoryPeakMb()).toBeLessThan(MEMORY_MB);
};

/** Commits the index, and pushes the commit. */
const push = async (): Promise<string> => {
  await repository.git('commit', '--quiet', '--allow-empty', '--message', 'bad');
  await repository.git('push', '--quiet', 'origin', 'HEAD:main');
  return repository.git('rev-parse', 'HEAD');
};
/** Resets to the good commit; a revert would keep the bad content in the history. */
const goBack = async (): Promise<void> => {
  await repository.git('reset', '--quiet', '--hard', good);
  await repository.git('push', '--quiet', '--force', 'origin', `${good}:main`);
  await waitFor(async () => expect(await sourceOf()).toMatchObject({ rejected: null, error: null }));
};
const refusalOf = async (revision: string): Promise<string[]> => {
  const rejected = await waitFor(async () => {
    const now = (await sourceOf()).rejected;
    expect(now?.commit.revision).toBe(revision);
    return now;
  });
  expect((await eventsOf('CommitRejected')).filter((event) => event.revision === revision)).toHaveLength(1);
  await standsFirm();
  await goBack();
  return (rejected?.problems ?? []).map(({ path, reason }) => `${path ?? ''}: ${reason}`);
};
const write = async (path: string, content: string | Buffer): Promise<void> => {
  const target = join(repository.folder, path);
  await mkdir(join(target, '..'), { recursive: true });
  writeFileSync(target, content);
};
/** Stores an object as no git would write it. @returns its id */
const store = (type: string, content: string | Buffer): Promise<string> => {
  const file = join(folder, 'object');
  writeFileSync(file, content);
  return repository.git('hash-object', '-t', type, '-w', '--literally', file);
};
const storeTree = (entries: readonly (readonly [mode: string, name: string, id: string])[]): Promise<string> =>
  store(
    'tree',
    Buffer.concat(entries.map(([mode, name, id]) => Buffer.concat([Buffer.from(`${mode} ${name}\0`), Buffer.from(id, 'hex')]))),
  );
const pushHead = async (id: string): Promise<string> => {
  await repository.git('push', '--quiet', '--force', 'origin', `${id}:main`);
  return id;
};
const pushTree = async (entries: Parameters<typeof storeTree>[0]): Promise<string> =>
  pushHead(await repository.git('commit-tree', '-S', '-p', good, '-m', 'bad', await storeTree(entries)));

describe('a harmful commit of a trusted signer', () => {
  it('is refused with a symbolic link or a submodule in place of policies', async () => {
    symlinkSync('/etc/passwd', join(repository.folder, 'policies', 'link.yaml'));
    symlinkSync('..', join(repository.folder, 'regions'));
    await repository.git('add', '--all');
    await repository.git('update-index', '--add', '--cacheinfo', `160000,${'1'.repeat(40)},rollout/module`);
    expect((await refusalOf(await push())).sort(byText)).toEqual([
      'policies/link.yaml: is a symbolic link; policy must be a plain file',
      'regions: is a symbolic link; policy must be a plain file',
      'rollout/module: is a submodule; policy must be a plain file',
    ]);
  });

  it('is refused with names that leave the folder or occur twice', async () => {
    const policies = await repository.git('rev-parse', `${good}:policies`);
    for (const name of ['..', '.', 'a/b', '.git', '.GIT'])
      expect(await refusalOf(await pushTree([['40000', name, policies]])), name).toEqual([
        expect.stringContaining('the tree has an entry named'),
      ]);
    const twice = await pushTree([
      ['40000', 'policies', policies],
      ['40000', 'policies', policies],
    ]);
    expect(await refusalOf(twice)).toEqual([expect.stringContaining('two entries named "policies"')]);
  });

  it.each<[string, () => string, RegExp]>([
    ['aliases that multiply', () => `a: &a [x, x]\nb: &b [${'*a, '.repeat(9)}*a]\nc: [${'*b, '.repeat(9)}*b]\n`, /alias|anchor/],
    ['nesting', () => '['.repeat(100_000), /./],
    ['keys without end', () => Array.from({ length: 20_000 }, (_, index) => `k${index}: 1`).join('\n'), /./],
    ['documents without end', () => '---\na: 1\n'.repeat(20_000), /./],
  ])('is refused with YAML of %s', async (_what, text, reason) => {
    await write('policies/bomb.yaml', text());
    await repository.git('add', '--all');
    expect((await refusalOf(await push())).join('\n')).toMatch(reason);
  });
});

describe('an unsigned history', () => {
  const commitOf = (tree: string, parent: string, more = ''): string =>
    `tree ${tree}\nparent ${parent}\nauthor Eve <e@e> 1767433800 +0000\ncommitter Eve <e@e> 1767433800 +0000\n${more}\nbad\n`;

  it('is refused with a head of 8 MB of headers', async () => {
    const tree = await repository.git('rev-parse', `${good}^{tree}`);
    const head = await pushHead(await store('commit', commitOf(tree, good, 'a b\n'.repeat(2_000_000))));
    expect(await refusalOf(head)).toEqual([expect.stringMatching(/the commit has 8\d{6} bytes, more than the 131072 that are accepted/)]);
  });

  it('is refused with a root folder of 200,000 files on the way to a signed commit', async () => {
    const blob = await repository.git('rev-parse', `${good}:policies/finance.yaml`);
    const large = await storeTree(Array.from({ length: 200_000 }, (_, index) => ['100644', `f${String(index).padStart(7, '0')}`, blob]));
    const between = await store('commit', commitOf(large, good));
    const head = await pushHead(await repository.git('commit-tree', '-S', '-p', between, '-m', 'signed', `${good}^{tree}`));
    expect(await refusalOf(head)).toEqual([expect.stringContaining('the root folder of commit')]);
  });
});

describe('a repository that is too large', () => {
  /**
   * Sets the compression level of git, from 0 to 9, on both sides: the hub fetches again and again,
   * and each answer is compressed for it.
   */
  const compressBy = async (level: number): Promise<void> => {
    for (const copy of [repository.folder, join(folder, 'git', 'policies.git')])
      await runGit(copy, ['config', 'core.compression', `${level}`]);
  };
  /**
   * Checks that the hub reports the repository as unreadable once, until the branch is repaired.
   */
  const unreachable = async (message: RegExp): Promise<void> => {
    const before = (await eventsOf('SourceUnreachable')).length;
    await push();
    await waitFor(async () => expect((await sourceOf()).error?.message).toMatch(message));
    // Tried again meanwhile, and reported once.
    await waitFor(() => expect(readFileSync(join(folder, 'hub.log'), 'utf8')).toMatch(message));
    expect((await eventsOf('SourceUnreachable')).length).toBe(before + 1);
    await standsFirm();
    await goBack();
    await standsFirm();
  };

  it('is unreachable with 100 MB that cannot be compressed', async () => {
    await compressBy(0);
    const file = await open(join(repository.folder, 'policies', 'big.yaml'), 'w');
    for (let count = 0; count < 100; count += 1) await file.write(randomBytes(MB));
    await file.close();
    await repository.git('-c', 'core.bigFileThreshold=1g', 'add', '--all');
    await unreachable(/sent more than \d+ bytes/);
  });

  it('is unreachable with a small pack that unpacks to 600 MB', async () => {
    await compressBy(1);
    const file = await open(join(repository.folder, 'policies', 'zeros.yaml'), 'w');
    await file.truncate(600 * MB);
    await file.close();
    await repository.git('add', '--all');
    await unreachable(/an object of more than \d+ bytes/);
  });

  it('is refused in large unsigned commits, one after the other', async () => {
    await compressBy(0);
    for (let count = 0; count < 6; count += 1) {
      // Just below the largest answer.
      for (const name of ['one', 'two']) await write(`${name}.bin`, randomBytes(9 * MB));
      await repository.git('-c', 'core.bigFileThreshold=1g', 'add', '--all');
      await repository.git('commit', '--quiet', '--no-gpg-sign', '--message', 'bad');
      expect(await refusalOf(await pushHead(await repository.git('rev-parse', 'HEAD')))).toEqual([
        expect.stringContaining('is not signed'),
      ]);
    }
  });

  it('still accepts the next good commit', async () => {
    const next = await repository.commit({ 'policies/hr.yaml': policyFile('hr') }, 'good again');
    await inForce(next);
    expect((await sourceOf()).verification?.state).toBe('verified');
    console.log(`the hub took ${Math.round(memoryPeakMb())} MB at most`);
    expect(memoryPeakMb()).toBeLessThan(MEMORY_MB);
  });
});
