import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Plugin, Rolldown } from 'vite';

const FILE = 'third-party-notices.txt';
const PACKAGES = '/node_modules/';
const LICENSE_FILES = '**/{LICENSE,LICENCE,NOTICE,COPYING}*';
/** Extensions of files that are code although they are named like a licence. */
const CODE = /\.([cm]?[jt]s|json|map)$/;
const RULE = '='.repeat(80);

/** Third-party part of a bundle, with the text that must accompany it. */
export interface Notice {
  /** Name and version of a package, or another title. */
  readonly title: string;
  /** SPDX expression. */
  readonly license: string;
  readonly text: string;
}

interface Manifest {
  readonly name?: string;
  readonly version?: string;
  readonly license?: string;
}

const readManifest = (folder: string): Manifest | undefined => {
  const path = join(folder, 'package.json');
  return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as Manifest) : undefined;
};

/**
 * Returns the folder of the package that a file belongs to. Folders inside a package may have
 * manifests without a version.
 */
const packageOf = (file: string): string => {
  const folder = dirname(file);
  return readManifest(folder)?.version === undefined ? packageOf(folder) : folder;
};

/** Returns the files that a bundle contains: modules with code in it, and copied files. */
const filesOf = (bundle: Rolldown.OutputBundle, root: string): readonly string[] =>
  Object.values(bundle).flatMap((file) =>
    file.type === 'chunk' ? file.moduleIds.map((id) => id.replace(/\?.*$/, '')) : file.originalFileNames.map((name) => join(root, name)),
  );

/**
 * Returns the licence of a package, with the notices and licences that it contains, each once.
 *
 * @throws Error if the package has no licence
 */
const noticeOf = (folder: string): Notice => {
  const { name, version, license = '' } = readManifest(folder) ?? {};
  const title = `${name} ${version}`;
  const files = globSync(LICENSE_FILES, { cwd: folder, exclude: (path) => path === 'node_modules' }).filter((path) => !CODE.test(path));
  const texts = new Set(files.toSorted().map((path) => readFileSync(join(folder, path), 'utf8').trim()));
  if (license === '' || texts.size === 0) throw new Error(`${title} has no licence that could go with the bundle`);
  return { title, license, text: [...texts].join('\n\n') };
};

const format = ({ title, license, text }: Notice): string => `${RULE}\n${title}\nLicense: ${license}\n\n${text.trim()}\n`;

/**
 * Writes `third-party-notices.txt`: a notice for each package with code or files in the bundle,
 * then the given ones.
 */
export const thirdPartyNotices = (others: readonly Notice[] = []): Plugin => {
  let root: string;
  return {
    name: 'fso-third-party-notices',
    apply: 'build',
    configResolved(config) {
      root = config.root;
    },
    generateBundle: {
      order: 'post',
      handler(_options, bundle) {
        const files = filesOf(bundle, root).filter((file) => file.includes(PACKAGES));
        const notices = new Map([...new Set(files.map(packageOf))].map(noticeOf).map((notice) => [notice.title, notice]));
        const ordered = [...notices.values()].toSorted((a, b) => (a.title < b.title ? -1 : 1));
        this.emitFile({ type: 'asset', fileName: FILE, source: [...ordered, ...others].map(format).join('\n') });
      },
    },
  };
};
