import { execFile } from 'node:child_process';
import { chmod, copyFile, cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ImageBuilder, type ImageFiles, imageFigures, listFiles } from '../harness/image-files.ts';

const root = join(import.meta.dirname, '..', '..');
const read = (path: string): Promise<string> => readFile(join(root, path), 'utf8');
/** Limits of what an image adds to its base, in MB. */
const LIMITS = { agent: 45, hub: 50 };

let folder: string;
/** Node.js where every user may run it: the repository may lie in a folder of root's alone. */
let node: string;
let builder: ImageBuilder;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fso-images-'));
  // The programs run under another user.
  await chmod(folder, 0o755);
  node = join(folder, 'node');
  await copyFile(process.execPath, node);
  // As the build of this repository makes it; the stage needs four times the packages of both
  // images.
  const dashboard = join(folder, 'given', 'dashboard');
  await cp(join(root, 'hub/dashboard/dist'), join(dashboard, 'app/hub/dashboard/dist'), { recursive: true });
  builder = new ImageBuilder(folder, { dashboard });
});

afterAll(() => rm(folder, { recursive: true, force: true }));

interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/**
 * Starts the image's program as a container runtime does: its user, its environment, and nothing of
 * this machine's but Node.js.
 */
const start = (image: ImageFiles, args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Outcome> => {
  const [program = '', ...entrypoint] = image.entrypoint;
  expect(program).toBe('node');
  const [uid, gid] = image.user.split(':').map(Number);
  const user = process.getuid?.() === 0 ? { uid, gid } : {};
  const PATH = `${dirname(node)}${delimiter}/nodejs/bin`;
  const command = [...entrypoint.map((path) => join(image.folder, path)), ...args];
  return new Promise((done) => {
    execFile(node, command, { cwd: '/', env: { ...image.env, PATH, ...env }, ...user }, (error, out, err) =>
      done({ code: error === null ? 0 : Number(error.code), out, err }),
    );
  });
};

describe.each(['agent', 'hub'] as const)('the image of the %s', (target) => {
  let image: ImageFiles;
  let files: readonly string[];

  beforeAll(async () => {
    image = await builder.build(target);
    files = await listFiles(image.folder);
  });

  it(`adds less than ${LIMITS[target]} MB to its base`, async () => {
    const { megabytes, ...counts } = await imageFigures(image);
    console.log(`${target}: ${megabytes} MB`, counts);
    expect(megabytes).toBeLessThan(LIMITS[target]);
  });

  it('has what runs in production alone, the same on every architecture', () => {
    expect(files.filter((file) => /\.node$/.test(file))).toEqual([]);
    const own = files.filter((file) => !file.includes('node_modules/'));
    expect(own.filter((file) => /\.test\.tsx?$|\/testing\/|\/harness\//.test(file))).toEqual([]);
    const packages = new Set(files.flatMap((file) => /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(file)?.[1] ?? []));
    expect(packages.size).toBeGreaterThan(10);
    expect(files.filter((file) => /\.([cm]?ts|map)$/.test(file))).toEqual([]);
    const unwanted = [
      'typescript',
      'vite',
      'vitest',
      'react',
      'echarts',
      '@patternfly/react-core',
      'turbo',
      '@kubernetes/client-node',
      'oidc-provider',
    ];
    expect(unwanted.filter((name) => packages.has(name))).toEqual([]);
  });

  it('runs as user 1000 and names its source', () => {
    expect(image.user).toBe('1000:1000');
    expect(Object.keys(image.labels).filter((label) => label.startsWith('org.opencontainers.image.'))).toEqual(
      ['version', 'revision', 'created', 'source', 'licenses', 'base.name', 'title', 'description'].map(
        (name) => `org.opencontainers.image.${name}`,
      ),
    );
  });

  it('has the settings that keep the programs small', async () => {
    expect(image.env).toMatchObject(JSON.parse(await read('node-settings.json')) as Record<string, string>);
  });
});

/** Licences under which code may go into something under Apache-2.0, by their SPDX names. */
const PERMISSIVE = ['0BSD', 'Apache-2.0', 'BSD-2-Clause', 'BSD-3-Clause', 'ISC', 'MIT', 'MIT-0', 'PSF-2.0', 'Unlicense', 'Zlib'];

interface Component {
  readonly name: string;
  readonly version: string;
  readonly purl: string;
  readonly licenses: readonly { readonly expression?: string; readonly license?: { readonly id: string } }[];
}

const licensesOf = ({ licenses }: Component): readonly string[] =>
  licenses.flatMap(({ expression, license }) => license?.id ?? expression?.match(/[\w.-]+/g)?.filter((word) => word !== 'AND') ?? ['none']);

const identify = (name: string, version: string): string => `pkg:npm/${name.replace('@', '%40')}@${version}`;

/** Every package that is a file of the image. */
const packagesOf = (image: ImageFiles, files: readonly string[]): Promise<readonly string[]> =>
  Promise.all(
    files
      .filter((file) => /node_modules\/(?:@[^/]+\/)?[^/]+\/package\.json$/.test(file))
      .map(async (file) => {
        const { name, version } = JSON.parse(await readFile(join(image.folder, file), 'utf8')) as { name: string; version: string };
        return identify(name, version);
      }),
  );

describe('the bill of materials', () => {
  beforeAll(async () => {
    await promisify(execFile)('npm', ['run', 'sbom', '--', folder], { cwd: root });
  });

  const readSbom = async (target: string): Promise<{ specVersion: string; metadata: { component: object }; components: Component[] }> =>
    JSON.parse(await readFile(join(folder, `fso-${target}.cdx.json`), 'utf8'));

  it.each(['agent', 'hub'])('lists every package of the image of the %s, under a licence that Apache-2.0 may contain', async (target) => {
    const image = await builder.build(target);
    const { specVersion, metadata, components } = await readSbom(target);
    expect([specVersion, metadata.component]).toEqual(['1.6', expect.objectContaining({ type: 'container', name: `fso-${target}` })]);
    const listed = components.map(({ purl }) => purl);
    const present = await packagesOf(image, await listFiles(image.folder));
    expect(present.length).toBeGreaterThan(40);
    expect(present.filter((purl) => !listed.includes(purl))).toEqual([]);
    const foreign = components.filter((component) => !licensesOf(component).every((license) => PERMISSIVE.includes(license)));
    expect(foreign.map((component) => [component.purl, ...licensesOf(component)])).toEqual([]);
  });

  it('lists nothing else for the agent, and for the hub also what the dashboard is built from', async () => {
    const [agent, hub] = await Promise.all(['agent', 'hub'].map(readSbom));
    const image = await builder.build('agent');
    const present = await packagesOf(image, await listFiles(image.folder));
    const others = agent?.components.map(({ purl }) => purl).filter((purl) => !present.includes(purl) && !purl.includes('%40fso/'));
    expect(others).toEqual([]);
    const names = hub?.components.map(({ purl }) => purl.replace(/@[^@]*$/, ''));
    expect(names).toEqual(expect.arrayContaining(['pkg:npm/express', 'pkg:npm/react', 'pkg:npm/echarts']));
    expect(names).not.toContain('pkg:npm/%40kubernetes/client-node');
  });
});

it('the agent starts from its image', async () => {
  const image = await builder.build('agent');
  expect(await start(image, ['--help'])).toMatchObject({ code: 0, out: expect.stringContaining('FSO_CLUSTER'), err: '' });
  const outcome = await start(image, image.command, { FSO_CLUSTER: 'eu', KUBECONFIG: '/nowhere', FSO_LISTEN: '127.0.0.1:0' });
  expect(outcome).toMatchObject({ code: 1, err: expect.stringMatching(/^fso-agent: .*\/nowhere/) });
});

it('the agent refuses a kubeconfig that names a plugin, as its image runs none', async () => {
  const kubeconfig = join(folder, 'kubeconfig');
  const exec = { apiVersion: 'client.authentication.k8s.io/v1', command: 'aws', interactiveMode: 'Never' };
  const config = {
    clusters: [{ name: 'k', cluster: { server: 'https://127.0.0.1:1' } }],
    contexts: [{ name: 'c', context: { cluster: 'k', user: 'u' } }],
    users: [{ name: 'u', user: { exec } }],
    'current-context': 'c',
  };
  await writeFile(kubeconfig, JSON.stringify(config), { mode: 0o644 });
  const outcome = await start(await builder.build('agent'), ['uninstall', '--yes'], { KUBECONFIG: kubeconfig });
  expect(outcome).toMatchObject({ code: 2, err: expect.stringContaining('context "c" needs @kubernetes/client-node, for plugins') });
});

it('the hub starts from its image, which is also the command line', async () => {
  const image = await builder.build('hub');
  expect(await start(image, ['--help'])).toMatchObject({ code: 0, out: expect.stringContaining('Usage: fso'), err: '' });
  expect(await start(image, ['serve', '--help'])).toMatchObject({ code: 0, out: expect.stringContaining('FSO_GIT_URL'), err: '' });
  expect(await start(image, image.command)).toMatchObject({ code: 1, err: expect.stringContaining('FSO_GIT_URL: is not set') });
  const files = await listFiles(join(image.folder, 'app'));
  expect(files).toEqual(expect.arrayContaining(['hub/dashboard/dist/index.html', 'hub/dashboard/dist/third-party-notices.txt']));
  expect(files.filter((file) => /hub\/dashboard\/(?!dist)/.test(file))).toEqual([]);
});

it('the Dockerfile takes Node.js of the version that this repository brings, from where the builder is configured to', async () => {
  const text = await read('deploy/images/Dockerfile');
  const { optionalDependencies } = JSON.parse(await read('package.json')) as { optionalDependencies: Record<string, string> };
  const [version] = new Set(Object.values(optionalDependencies));
  expect(/^ARG NODE_VERSION=(\S+)$/m.exec(text)?.[1]).toBe(version);
  const images = [...text.matchAll(/^(?:ARG \w+_IMAGE=|FROM (?:--platform=\S+ )?)(\S+)/gm)].map(([, image = '']) => image);
  expect(images.filter((image) => /[./]/.test(image.replaceAll(/\$\{\w+\}/g, '')))).toEqual([]);
});
