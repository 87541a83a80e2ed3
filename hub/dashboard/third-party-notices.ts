import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Plugin, Rolldown } from 'vite';

const FILE = 'third-party-notices.txt';
const PACKAGES = '/node_modules/';
const LICENSE_FILES = '**/{LICENSE,LICENCE,NOTICE,COPYING}*';
/** Endings of files that have a licence's name and are code. */
const CODE = /\.([cm]?[jt]s|json|map)$/;
const RULE = '='.repeat(80);

/** Something of others in a bundle, with the text that has to go with it. */
export interface Notice {
  /** Name and version of a package, or what it is. */
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

/** Folder of the package that a file is of; folders in it may have manifests without versions. */
const packageOf = (file: string): string => {
  const folder = dirname(file);
  return readManifest(folder)?.version === undefined ? packageOf(folder) : folder;
};

/** Files that a bundle is made of: modules with code in it, and files that are copied. */
const filesOf = (bundle: Rolldown.OutputBundle, root: string): readonly string[] =>
  Object.values(bundle).flatMap((file) =>
    file.type === 'chunk' ? file.moduleIds.map((id) => id.replace(/\?.*$/, '')) : file.originalFileNames.map((name) => join(root, name)),
  );

/**
 * The licence of a package, and the notices and licences of what it contains itself, each once.
 *
 * @throws Error where it has none
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
 * Writes `third-party-notices.txt`: a notice for each package that has code or files in the bundle,
 * then those given.
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
