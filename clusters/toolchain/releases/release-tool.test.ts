import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { toolCacheRoot } from '../cache.ts';
import { GATEKEEPER_MANIFEST, LOCAL_TOOLS, type ToolModule, toolVersion } from '../modules.ts';
import { Mirror, tarball } from '../testing/mirror.ts';
import { ensureTools, toolsProblem } from '../tools.ts';
import { Downloader, sha256 } from './downloader.ts';
import { checkPins, renderCheck } from './pin-check.ts';
import { type Platform, publishedFiles, thisPlatform } from './releases.ts';

const toolOf = (name: string): ToolModule => LOCAL_TOOLS.find((tool) => tool.name === name) ?? expect.fail(`no tool ${name}`);
const platform = thisPlatform() as Platform;
const signal = new AbortController().signal;

/** The mirror's content of a program. */
const contentOf = (name: string): Buffer => Buffer.from(`${name}\n`.repeat(50_000));

let dir: string;
let mirror: Mirror;
let pins: Record<string, string>;
let log: string[];

/** Serves all published files of a module, each in the form of its upstream. */
function serve(module: ToolModule): void {
  for (const { name, release, pin } of publishedFiles(module, platform)) pins[pin] = mirror.serveRelease(release, contentOf(name));
}

const pathOf = (module: ToolModule, name: string): string => {
  const { release } = publishedFiles(module, platform).find((file) => file.name === name) ?? expect.fail();
  return release.kind === 'image' ? expect.fail() : release.url.replace('https://', '/');
};

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'fso-releases-'));
  mkdirSync(join(dir, 'bin'));
  // Stands for Go: writes a file instead of building.
  const go = `#!/bin/sh\ncase "$1" in env) printf 'go1.26.8\\nauto\\n' ;; mod) printf '{"Dir": "%s"}' ${dir}/source ;; build) while [ "$1" != -o ]; do shift; done; echo built > "$2" ;; esac\n`;
  writeFileSync(join(dir, 'bin', 'go'), go, { mode: 0o755 });
  mirror = await Mirror.start();
  pins = {};
  log = [];
});

afterEach(async () => {
  await mirror.stop();
  rmSync(dir, { recursive: true, force: true });
});

const environment = (mode: string): Record<string, string> => {
  writeFileSync(join(dir, 'pins.json'), JSON.stringify(pins));
  return {
    PATH: `${join(dir, 'bin')}:/usr/bin:/bin`,
    XDG_CACHE_HOME: join(dir, 'cache'),
    FSO_TOOLS: mode,
    FSO_TOOLS_MIRROR: mirror.url,
    FSO_TOOLS_PINS: join(dir, 'pins.json'),
  };
};

const ensure = (modules: readonly ToolModule[], mode = 'auto'): Promise<Readonly<Record<string, string>>> =>
  ensureTools({ env: environment(mode), log: (line) => log.push(line), modules }, signal);

const cached = (): string[] => {
  const root = toolCacheRoot({ XDG_CACHE_HOME: join(dir, 'cache') });
  return existsSync(root) ? readdirSync(root) : [];
};

it('downloads a file, a file of an archive and a file of an image, and builds nothing', async () => {
  const modules = ['etcd', 'kubernetes'].map(toolOf);
  for (const module of modules) serve(module);
  const folders = await ensure(modules, 'download');
  for (const module of modules) {
    for (const name of module.programs) {
      const file = join(folders[module.name] ?? '', name);
      expect(readFileSync(file).equals(contentOf(name))).toBe(true);
      expect(statSync(file).mode & 0o777).toBe(0o755);
    }
  }
  expect(cached().filter((entry) => !/^(etcd|kubernetes)-v[\d.]+-release-[0-9a-f]{8}$/.test(entry))).toEqual([]);
  mirror.requests.length = 0;
  expect(await ensure(modules, 'download')).toEqual(folders);
  expect(mirror.requests).toEqual([]);
});

it('downloads the files that belong to a program', async () => {
  serve(toolOf('kwok'));
  const { kwok = '' } = await ensure([toolOf('kwok')], 'download');
  expect(new Set(readdirSync(kwok))).toEqual(new Set(['complete.json', 'kwok', ...Object.keys(toolOf('kwok').files ?? {})]));
});

const refusalsOf = (found: string) => ({
  download: new RegExp(`REFUSED .*${found}`),
  auto: /REFUSED .*pinned is sha256:0+; building etcd instead/,
});

it('refuses a wrong checksum loudly: an error if it must download, else it builds', async () => {
  serve(toolOf('etcd'));
  const [pin = '', right = ''] = Object.entries(pins)[0] ?? [];
  pins[pin] = `sha256:${'0'.repeat(64)}`;
  const expected = refusalsOf(right);
  await expect(ensure([toolOf('etcd')], 'download')).rejects.toThrow(expected.download);
  expect(cached()).toEqual([]);
  const { etcd = '' } = await ensure([toolOf('etcd')]);
  expect(readFileSync(join(etcd, 'etcd'), 'utf8')).toBe('built\n');
  expect(log.join('\n')).toMatch(expected.auto);
});

it.each(['index', 'manifest', 'layer'])('refuses an image whose %s is not the pinned one', async (part) => {
  serve(toolOf('gatekeeper'));
  const isManifest = (path: string): boolean => path.includes('/manifests/');
  const pinned = pins[`gatekeeper ${toolVersion(toolOf('gatekeeper'))}`] ?? '';
  const paths = [...mirror.handlers.keys()];
  const path = {
    index: paths.find((each) => each.endsWith(pinned)),
    manifest: paths.find((each) => isManifest(each) && !each.endsWith(pinned)),
    layer: paths.filter((each) => each.includes('/blobs/')).at(-1),
  }[part];
  mirror.serve(`https:/${path}`, tarball({ manager: Buffer.from('another') }));
  await expect(ensure([toolOf('gatekeeper')], 'download')).rejects.toThrow(/REFUSED https:\/\/registry-1\.docker\.io/);
  expect(cached()).toEqual([]);
});

it('gets a token if the registry requires one', async () => {
  serve(toolOf('gatekeeper'));
  const challenge = 'Bearer realm="https://auth.example/token",service="registry",scope="repository:openpolicyagent/gatekeeper:pull"';
  for (const [path, handler] of mirror.handlers) {
    if (!path.includes('/v2/')) continue;
    mirror.handlers.set(path, (request, response) => {
      if (request.headers.authorization === 'Bearer secret') handler(request, response);
      else response.writeHead(401, { 'www-authenticate': challenge }).end();
    });
  }
  mirror.serve('https://auth.example/token', Buffer.from('{"token":"secret"}'));
  const { gatekeeper = '' } = await ensure([toolOf('gatekeeper')], 'download');
  expect(readFileSync(join(gatekeeper, 'gatekeeper')).equals(contentOf('gatekeeper'))).toBe(true);
});

it('follows a redirect, as releases use them', async () => {
  serve(GATEKEEPER_MANIFEST);
  const path = pathOf(GATEKEEPER_MANIFEST, 'gatekeeper.yaml');
  const handler = mirror.handlers.get(path) ?? expect.fail();
  mirror.handlers.set('/storage/file', handler);
  mirror.handlers.set(path, (_, response) => response.writeHead(302, { location: `${mirror.url}/storage/file` }).end());
  const folders = await ensure([GATEKEEPER_MANIFEST], 'download');
  expect(readFileSync(join(folders[GATEKEEPER_MANIFEST.name] ?? '', 'gatekeeper.yaml')).equals(contentOf('gatekeeper.yaml'))).toBe(true);
});

it.each<[string, (path: string) => void, RegExp]>([
  ['absent', (path) => mirror.handlers.delete(path), /HTTP 404/],
  [
    'cut off',
    (path) =>
      mirror.handlers.set(path, (_, response) => {
        response.writeHead(200, { 'content-length': 1_000_000 });
        response.write('the beginning', () => response.destroy());
      }),
    /terminated|other side closed/,
  ],
  ['cut off without a content length', (path) => mirror.handlers.set(path, (_, response) => response.end('the beginning')), /REFUSED/],
])('leaves nothing behind when a file is %s, and builds', async (_, damage, message) => {
  serve(toolOf('etcd'));
  damage(pathOf(toolOf('etcd'), 'etcd'));
  await expect(ensure([toolOf('etcd')], 'download')).rejects.toThrow(message);
  expect(cached()).toEqual([]);
  const { etcd = '' } = await ensure([toolOf('etcd')]);
  expect(readFileSync(join(etcd, 'etcd'), 'utf8')).toBe('built\n');
  expect(log.join('\n')).toMatch(message);
});

it('gives up on a host that stops sending', async () => {
  serve(toolOf('etcd'));
  mirror.handlers.set('/stalls.example/file', (_, response) => {
    response.writeHead(200, { 'content-length': 100 }).write('the beginning');
  });
  const counter = { expect: () => {}, arrived: () => {} };
  const options = { url: 'https://stalls.example/file', digest: sha256(Buffer.from('x')), file: join(dir, 'file'), counter };
  const downloader = new Downloader({ FSO_TOOLS_MIRROR: mirror.url }, 50);
  await expect(downloader.save(options, signal)).rejects.toThrow('https://stalls.example/file: nothing arrived for 0.05 s');
});

it('gives up on a host that does not answer', async () => {
  mirror.handlers.set('/silent.example/file', () => {});
  const downloader = new Downloader({ FSO_TOOLS_MIRROR: mirror.url }, 50);
  await expect(downloader.read('https://silent.example/file', {}, signal)).rejects.toThrow('nothing arrived for 0.05 s');
});

it('builds if no host answers, after one request to each', async () => {
  serve(toolOf('etcd'));
  const env = environment('auto');
  await mirror.stop();
  const { etcd = '' } = await ensureTools({ env, log: (line) => log.push(line), modules: [toolOf('etcd')] }, signal);
  expect(readFileSync(join(etcd, 'etcd'), 'utf8')).toBe('built\n');
  expect(log.filter((line) => line.includes('does not answer'))).toHaveLength(1);
  mirror = await Mirror.start();
});

it('builds a program without a pinned checksum, and reports it', async () => {
  await ensure([toolOf('etcd')]);
  expect(log).toContainEqual(`no checksum is pinned for etcd ${toolVersion(toolOf('etcd'))} ${platform}; building etcd`);
  expect(mirror.requests).toEqual([]);
  rmSync(join(dir, 'cache'), { recursive: true });
  await expect(ensure([toolOf('etcd')], 'download')).rejects.toThrow('FSO_TOOLS=download: no checksum is pinned for etcd');
});

it('sends no request when it builds', async () => {
  serve(toolOf('etcd'));
  const { etcd = '' } = await ensure([toolOf('etcd')], 'build');
  expect(readFileSync(join(etcd, 'etcd'), 'utf8')).toBe('built\n');
  expect(mirror.requests).toEqual([]);
});

it('compares pins with the upstreams', async () => {
  const modules = [toolOf('etcd'), toolOf('kubernetes')];
  for (const module of modules) serve(module);
  const [apiServer, scheduler] = ['kube-apiserver', 'kube-scheduler'].map((name) => `${name} ${toolVersion(toolOf('kubernetes'))}`);
  for (const name of toolOf('kubernetes').programs) {
    const [path = '', handler] =
      [...mirror.handlers].find(([each]) => each.endsWith(`/${name}/manifests/${pins[`${name} ${toolVersion(toolOf('kubernetes'))}`]}`)) ??
      [];
    if (handler) mirror.handlers.set(path.replace(/sha256:.*/, toolVersion(toolOf('kubernetes'))), handler);
  }
  const { [scheduler ?? '']: _, ...known } = pins;
  const wrong = { ...known, [apiServer ?? '']: `sha256:${'0'.repeat(64)}` };
  const lines = (await checkPins(modules, wrong, new Downloader({ FSO_TOOLS_MIRROR: mirror.url }), signal)).map(renderCheck);
  const verdicts = Object.fromEntries(lines.map((line) => [/(etcd|kube-[a-z-]+) v[^":]*/.exec(line)?.[0].trim(), line.split(/ {2,}/)[0]]));
  const etcd = toolVersion(toolOf('etcd'));
  const other = platform === 'linux/amd64' ? 'linux/arm64' : 'linux/amd64';
  expect(verdicts).toEqual({
    [`etcd ${etcd} ${platform}`]: 'same',
    [`etcd ${etcd} ${other}`]: 'unknown',
    [apiServer ?? '']: 'DIFFERENT',
    [`kube-controller-manager ${toolVersion(toolOf('kubernetes'))}`]: 'same',
    [scheduler ?? '']: 'new',
  });
});

it('refuses any other value of FSO_TOOLS', async () => {
  await expect(ensure([toolOf('etcd')], 'compile')).rejects.toThrow('FSO_TOOLS is compile; it can be auto, download, build');
});

it('needs no Go if everything can be downloaded, and else explains why', async () => {
  const modules = [toolOf('gatekeeper'), toolOf('etcd')];
  serve(toolOf('gatekeeper'));
  rmSync(join(dir, 'bin', 'go'));
  const problem = () => toolsProblem({ env: environment('auto'), log: () => {}, modules }, signal);
  expect(await problem()).toMatch(/no `go` was found on PATH/);
  serve(toolOf('etcd'));
  expect(await problem()).toBeUndefined();
  expect(mirror.requests).toEqual([]);
});

const FILL = `
import { ensureTools } from ${JSON.stringify(join(import.meta.dirname, '..', 'tools.ts'))};
import { LOCAL_TOOLS } from ${JSON.stringify(join(import.meta.dirname, '..', 'modules.ts'))};
const modules = LOCAL_TOOLS.filter(({ name }) => name === 'etcd');
await ensureTools({ env: process.env, log: () => {}, modules }, new AbortController().signal);
`;

it('leaves nothing behind when the disk is full', async () => {
  serve(toolOf('etcd'));
  // A file may have 8 KiB; a write beyond that fails, as on a full disk.
  writeFileSync(join(dir, 'fill.ts'), FILL);
  const run = promisify(execFile)('sh', ['-c', `ulimit -f 8; exec "${process.execPath}" "${dir}/fill.ts"`], {
    env: environment('download'),
  });
  await expect(run).rejects.toThrow(/EFBIG/);
  expect(cached()).toEqual([]);
});
