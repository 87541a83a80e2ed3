import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { copyFile, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
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

const SPY = `
process.once('exit', () => {
  const strips = process.moduleLoadList.some((name) => name.includes('deps/amaro'));
  const { NODE_OPTIONS: options, MALLOC_ARENA_MAX: arenas, NODE_COMPILE_CACHE: cache } = process.env;
  process.stderr.write(JSON.stringify({ main: process.argv[1], options, arenas, cache, strips }) + '\\n');
});`;

let folder: string;

/**
 * A copy for which all is installed: one in the repository might install again what these tests run
 * from.
 */
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fso-bootstrap-'));
  for (const name of ['bootstrap.mjs', 'node-settings.json', 'package-lock.json']) await copyFile(join(ROOT, name), join(folder, name));
  await mkdir(join(folder, 'node_modules'));
  await symlink(join(ROOT, 'node_modules', '.bin'), join(folder, 'node_modules', '.bin'));
  const lock = await readFile(join(folder, 'package-lock.json'));
  await writeFile(join(folder, 'node_modules', '.installed'), createHash('sha256').update(lock).digest('hex'));
});

afterAll(() => rm(folder, { recursive: true, force: true }));

/** Runs a command through the bootstrap. @returns what its program was given */
const run = async (...command: string[]): Promise<Seen> => {
  const env = {
    // There is no npm.
    PATH: '',
    HOME: process.env['HOME'],
    NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(SPY)}`,
    NODE_COMPILE_CACHE: folder,
  };
  const child = spawn(process.execPath, [join(folder, 'bootstrap.mjs'), ...command], {
    cwd: ROOT,
    env,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const [output] = await Promise.all([text(child.stderr), once(child, 'exit')]);
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

  it('keeps what was compiled, so that the next start strips no types', async () => {
    await run('node', 'agent/main.ts', '--version');

    const again = await run('node', 'agent/main.ts', '--version');

    expect(again.cache).toBe(folder);
    expect(again.strips).toBe(false);
  });
});
