import { existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, expect, it } from 'vitest';
import { makeTemporaryFolder } from '../../test/harness/temporary-folder.ts';
import { NODE_TOOL } from '../../test/harness/tools.ts';
import { toolCacheRoot, toolFolder } from './cache.ts';
import { KUBECTL_TOOL, type ToolModule, toolVersion } from './modules.ts';
import { ensureTools } from './tools.ts';

let dir: string;
let module: ToolModule;
let log: string[];

/**
 * Stands for Go's command: prints its version, counts its builds, and writes a file instead of
 * building.
 */
const FAKE_GO = `#!/bin/sh
case "$1" in
  env) printf 'go1.26.8\\nauto\\n' ;;
  mod) printf '{"Dir": "%s"}' "$FAKE_SOURCE" ;;
  build)
    echo build >> "$FAKE_COUNT"
    while [ "$1" != -o ]; do shift; done
    [ -z "$FAKE_FAILURE" ] || { echo "$FAKE_FAILURE" >&2; exit 1; }
    echo program > "$2" ;;
esac
`;

beforeEach(() => {
  dir = makeTemporaryFolder('tools');
  for (const folder of ['bin', 'module', 'source']) mkdirSync(join(dir, folder));
  writeFileSync(join(dir, 'bin', 'go'), FAKE_GO, { mode: 0o755 });
  writeFileSync(join(dir, 'module', 'go.mod'), 'module x\n\ngo 1.26.0\n\nrequire example.org/tool v1.2.3 // indirect\n');
  writeFileSync(join(dir, 'module', 'go.sum'), '');
  writeFileSync(join(dir, 'source', 'manifest.yaml'), 'kind: Thing\n', { mode: 0o444 });
  module = {
    name: 'tool',
    dir: join(dir, 'module'),
    upstream: 'example.org/tool',
    package: 'example.org/tool/cmd',
    programs: ['tool'],
    files: { 'manifest.yaml': 'manifest.yaml' },
    linkerFlags: () => [],
  };
  log = [];
});

const ensure = (extra: Record<string, string> = {}): Promise<Readonly<Record<string, string>>> =>
  ensureTools(
    {
      env: {
        PATH: `${join(dir, 'bin')}:/usr/bin:/bin`,
        XDG_CACHE_HOME: join(dir, 'cache'),
        FAKE_SOURCE: join(dir, 'source'),
        FAKE_COUNT: join(dir, 'count'),
        ...extra,
      },
      log: (line) => log.push(line),
      modules: [module],
    },
    new AbortController().signal,
  );

const builds = (): number => (existsSync(join(dir, 'count')) ? readFileSync(join(dir, 'count'), 'utf8').split('\n').length - 1 : 0);

it('builds once into a folder by version, and needs no Go after that', async () => {
  const { tool = '' } = await ensure();
  expect(tool).toBe(join(dir, 'cache', 'fso', 'tools', toolFolder(module)));
  expect(tool).toMatch(/tool-v1\.2\.3-[0-9a-f]{8}$/);
  expect(readFileSync(join(tool, 'manifest.yaml'), 'utf8')).toBe('kind: Thing\n');
  await ensure({ PATH: join(dir, 'nowhere') });
  expect(builds()).toBe(1);
});

it('builds a program of several names once, and links the names to it', async () => {
  module = { ...module, programs: ['one', 'other'] };
  const { tool = '' } = await ensure();
  expect([readlinkSync(join(tool, 'one')), readlinkSync(join(tool, 'other'))]).toEqual(['tool', 'tool']);
  expect(readFileSync(join(tool, 'other'), 'utf8')).toBe('program\n');
  await ensure();
  expect(builds()).toBe(1);
});

it('builds nothing if only files are wanted', async () => {
  const { package: _, ...rest } = module;
  module = { ...rest, programs: [] };
  const { tool = '' } = await ensure();
  expect(readdirSync(tool).sort()).toEqual(['complete.json', 'manifest.yaml']);
  expect(builds()).toBe(0);
});

it.each([
  ['a program is missing', (tool: string) => rmSync(join(tool, 'tool'))],
  ['a program was cut off', (tool: string) => writeFileSync(join(tool, 'tool'), 'pro')],
  ['the seal is missing', (tool: string) => rmSync(join(tool, 'complete.json'))],
])('builds again if %s', async (_, damage) => {
  const { tool = '' } = await ensure();
  damage(tool);
  await ensure();
  expect(builds()).toBe(2);
  expect(readFileSync(join(tool, 'tool'), 'utf8')).toBe('program\n');
});

it('removes the folder of an interrupted build', async () => {
  const root = toolCacheRoot({ XDG_CACHE_HOME: join(dir, 'cache') });
  mkdirSync(join(root, `${toolFolder(module)}.building-x`), { recursive: true });
  await ensure();
  expect(readdirSync(root)).toEqual([toolFolder(module)]);
});

it('runs one of two concurrent builds', async () => {
  await Promise.all([ensure(), ensure()]);
  expect(builds()).toBe(1);
  expect(log.some((line) => line.startsWith('waiting for process'))).toBe(true);
});

it("reports Go's error when a build fails, and leaves nothing incomplete", async () => {
  await expect(ensure({ FAKE_FAILURE: 'no space left on device' })).rejects.toThrow('no space left on device');
  expect(readdirSync(toolCacheRoot({ XDG_CACHE_HOME: join(dir, 'cache') }))).toEqual([]);
});

it('ignores a relative XDG_CACHE_HOME', () => {
  expect(toolCacheRoot({ XDG_CACHE_HOME: 'here', HOME: '/home/x' })).toBe('/home/x/.cache/fso/tools');
});

it('real nodes have the version of the control plane', () => {
  expect(toolVersion(NODE_TOOL)).toBe(toolVersion(KUBECTL_TOOL));
});
