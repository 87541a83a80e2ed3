import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
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

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fso-bootstrap-'));
});

afterAll(() => rm(folder, { recursive: true, force: true }));

/** Runs a command through the bootstrap. @returns what its program was given */
const run = async (...command: string[]): Promise<Seen> => {
  const env = {
    PATH: process.env['PATH'],
    HOME: process.env['HOME'],
    NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(SPY)}`,
    NODE_COMPILE_CACHE: folder,
  };
  const child = spawn(process.execPath, ['bootstrap.mjs', ...command], { cwd: ROOT, env, stdio: ['ignore', 'ignore', 'pipe'] });
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
