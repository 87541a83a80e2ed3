/**
 * Raises the version of everything that is released: `npm run version:set -- 0.2.0` writes it into
 * manifests, lock files, charts and documentation, names the section of the changelog after it, and
 * generates what follows from them.
 */
import { execFileSync } from 'node:child_process';
import { globSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '..');
/** Three numbers, and what a preview has behind them. https://semver.org/ */
const VERSION = /^\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?$/;
const OWN = /^@fso\//;

/** The part of a manifest, or of a package in a lock file, that has versions of this repository. */
interface Manifest {
  version?: string;
  dependencies?: Record<string, string>;
}

interface Lock extends Manifest {
  readonly packages: Readonly<Record<string, Manifest>>;
}

const find = (...patterns: readonly string[]): readonly string[] => globSync(patterns, { cwd: ROOT, exclude: ['**/node_modules'] });

const edit = (path: string, change: (text: string) => string): void => {
  const file = join(ROOT, path);
  writeFileSync(file, change(readFileSync(file, 'utf8')));
};

const editJson = <T>(path: string, change: (value: T) => void): void =>
  edit(path, (text) => {
    const value = JSON.parse(text) as T;
    change(value);
    return `${JSON.stringify(value, null, 2)}\n`;
  });

const raise = (manifest: Manifest, version: string): void => {
  manifest.version = version;
  for (const name of Object.keys(manifest.dependencies ?? {}))
    if (OWN.test(name)) manifest.dependencies = { ...manifest.dependencies, [name]: version };
};

const setVersion = (version: string): void => {
  const { version: before } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string };
  for (const path of find('package.json', '{agent,clusters,hub,hub/dashboard,shared,test}/package.json', 'deploy/*/package.json'))
    editJson<Manifest>(path, (manifest) => raise(manifest, version));
  for (const path of find('package-lock.json', 'deploy/*/package-lock.json'))
    editJson<Lock>(path, (lock) => {
      lock.version = version;
      // The others are installed packages, and links to these.
      for (const [folder, manifest] of Object.entries(lock.packages)) if (!folder.includes('node_modules/')) raise(manifest, version);
    });
  // What comes before or after belongs to another version, such as 10.1.0 or 0.1.0-rc.1.
  const named = new RegExp(`(?<![\\d.])${before.replaceAll('.', '\\.')}(?!\\.?\\d|-[0-9A-Za-z])`, 'g');
  for (const path of find(
    'README.md',
    'docs/*.md',
    'docs/{operate,security}/*.md',
    'deploy/plan/*.yaml',
    'deploy/charts/*/Chart.yaml',
    'deploy/kustomize/*/*.yaml',
  ))
    edit(path, (text) => text.replaceAll(named, version));
  edit('CHANGELOG.md', (text) => text.replace(/^## Unreleased$/m, `## ${version}`));
  execFileSync('npm', ['run', '--silent', 'gen:write'], { cwd: ROOT, stdio: 'inherit' });
};

const [version = ''] = process.argv.slice(2);
if (VERSION.test(version)) setVersion(version);
else {
  console.error('usage: npm run version:set -- 0.2.0');
  process.exitCode = 2;
}
