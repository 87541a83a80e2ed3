import { execFileSync } from 'node:child_process';
import { cpSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { parse } from 'yaml';

const ROOT = join(import.meta.dirname, '..');
const OTHER = '71.82.93';

let folder: string;
let files: readonly string[];

const read = (root: string): Readonly<Record<string, string>> =>
  Object.fromEntries(
    files.filter((file) => lstatSync(join(root, file)).isFile()).map((file) => [file, readFileSync(join(root, file), 'latin1')]),
  );

/** Packages of the copy: its own workspaces, and what is installed here. */
const linkPackages = (): void => {
  const installed = join(ROOT, 'node_modules');
  mkdirSync(join(folder, 'node_modules', '@fso'), { recursive: true });
  for (const name of readdirSync(installed).filter((entry) => entry !== '@fso'))
    symlinkSync(join(installed, name), join(folder, 'node_modules', name));
  for (const name of ['shared', 'hub', 'agent', 'clusters', 'test'])
    symlinkSync(join(folder, name), join(folder, 'node_modules', '@fso', name));
};

const setVersion = (version: string): void => {
  execFileSync(process.execPath, [join(folder, 'deploy/set-version.ts'), version], { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] });
};

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'fso-version-'));
  files = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard', '--deduplicate'], {
    cwd: ROOT,
    encoding: 'utf8',
  })
    .split('\0')
    .filter((file) => file !== '' && !file.startsWith('docs/images/'));
  for (const file of files) cpSync(join(ROOT, file), join(folder, file), { recursive: true, verbatimSymlinks: true });
  linkPackages();
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

it('is one of everything that is released', () => {
  const manifests = ['package.json', 'hub/package.json', 'agent/package.json', 'deploy/cli/package.json'].map(
    (path) => JSON.parse(readFileSync(join(ROOT, path), 'utf8')) as { version: string },
  );
  const charts = ['fso-agent', 'fso-hub'].map(
    (chart) => parse(readFileSync(join(ROOT, `deploy/charts/${chart}/Chart.yaml`), 'utf8')) as { version: string; appVersion: string },
  );
  const all = [...manifests.map(({ version }) => version), ...charts.flatMap(({ version, appVersion }) => [version, appVersion])];
  expect(new Set(all)).toEqual(new Set([manifests[0]?.version]));
});

it('is raised everywhere at once, and nothing of the version before is left', () => {
  const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string };
  const before = read(folder);

  setVersion(OTHER);

  // Versions in code are those of other things, such as of agents that a test thinks up.
  const named = Object.entries(read(folder)).filter(([file]) => !/\.ts$|go\.(mod|sum)$|^docs\/adr\/|^CHANGELOG/.test(file));
  const pattern = new RegExp(`(?<![\\d.])${version.replaceAll('.', '\\.')}(?![\\d.]*\\d)`);
  const left = named.flatMap(([file, text]) => text.split('\n').flatMap((line) => (pattern.test(line) ? [`${file}: ${line.trim()}`] : [])));
  expect(left).toEqual([]);
  expect(readFileSync(join(folder, 'CHANGELOG.md'), 'utf8')).toContain(`\n## ${OTHER}\n`);
  execFileSync('npm', ['ci', '--dry-run', '--offline', '--ignore-scripts', '--loglevel=error'], { cwd: folder });

  setVersion(version);

  const after = read(folder);
  expect(files.filter((file) => file !== 'CHANGELOG.md' && after[file] !== before[file])).toEqual([]);
});

it('is not set to what is no version', () => {
  expect(() => setVersion('v1')).toThrow('usage: npm run version:set');
});
