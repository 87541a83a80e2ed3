import { execFile } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, realpathSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import type { Values } from '../harness/helm.ts';

const run = promisify(execFile);
const BUILDAH = '/usr/bin/buildah';
const ROOT = join(import.meta.dirname, '..', '..');

export const REGISTRY = 'localhost';
export const PAUSE_IMAGE = `${REGISTRY}/pause:1`;
/** Base of the images, where the Dockerfile is not told another. */
const NODE_IMAGE = `docker.io/library/node:${process.versions.node}-slim`;
/** Versions of hub and agent: an upgrade goes from the first to the second. */
export const VERSIONS = ['1.0.0', '1.0.1'] as const;
/** Values of a chart that take this image, which no node can pull. */
export const imageOf = (version: string): Values => ({ image: { registry: REGISTRY, tag: version, pullPolicy: 'Never' } });

/** Packages of the libraries that Node.js and programs of Debian are linked with. */
const LIBRARIES = ['libc6', 'libstdc++6', 'libgcc-s1'];
/** Programs that the Dockerfile's instructions and npm run. */
const SHELL = ['/bin/sh', '/bin/rm', '/usr/bin/env'];

/** Copies files into a root folder, each under its own path, with the libraries. */
const putPrograms = async (folder: string, programs: readonly string[]): Promise<void> => {
  const { stdout } = await run('dpkg', ['-L', ...LIBRARIES]);
  const libraries = stdout.split('\n').filter((file) => /\.so(\.|$)/.test(file) && statSync(file).isFile());
  for (const file of [...libraries, ...programs]) cpSync(file, join(folder, file), { dereference: true, recursive: true });
};

/** The programs of this machine's npm, run by the Node.js of this repository. */
const putNpm = async (folder: string): Promise<void> => {
  const { stdout } = await run('sh', ['-c', 'command -v npm']);
  cpSync(dirname(dirname(realpathSync(stdout.trim()))), join(folder, 'usr/local/lib/npm'), { recursive: true });
  const script = '#!/bin/sh\nexec node /usr/local/lib/npm/bin/npm-cli.js "$@"\n';
  writeFileSync(join(folder, 'usr/local/bin/npm'), script, { mode: 0o755 });
};

const putNode = (folder: string): void => {
  cpSync(process.execPath, join(folder, 'usr/local/bin/node'));
  mkdirSync(join(folder, 'tmp'));
};

const npmSetting = async (name: string): Promise<string> => (await run('npm', ['config', 'get', name])).stdout.trim();

interface PlainImage {
  readonly name: string;
  readonly fill: (folder: string) => void | Promise<void>;
  readonly config?: readonly string[];
}

/**
 * Images without a registry. Those that others take from one are put together from this machine's
 * programs; hub and agent are built from their Dockerfile, by buildah.
 */
export class Images {
  readonly #folder: string;

  /** @param folder keeps the layers: a second run builds what has changed */
  constructor(folder: string) {
    this.#folder = resolve(folder);
    mkdirSync(this.#folder, { recursive: true });
  }

  /** Command line of buildah with the layers of this folder. */
  get #command(): readonly string[] {
    const storage = ['--root', join(this.#folder, 'storage'), '--runroot', join(this.#folder, 'run'), '--storage-driver', 'overlay'];
    // In a mount namespace of its own: otherwise the mounts of its storage stay when it has ended.
    return ['unshare', '--mount', BUILDAH, ...storage];
  }

  async #buildah(...args: string[]): Promise<string> {
    const [program = '', ...first] = this.#command;
    const { stdout } = await run(program, [...first, ...args], { maxBuffer: 64 * 1024 ** 2 });
    return stdout.trim();
  }

  /** Makes an image of one layer, unless it is there. */
  async #make({ name, fill, config = [] }: PlainImage): Promise<void> {
    if ((await this.#buildah('images', '--quiet', '--filter', `reference=${name}`)) !== '') return;
    const root = join(this.#folder, 'root');
    rmSync(root, { recursive: true, force: true });
    await fill(root);
    const container = await this.#buildah('from', 'scratch');
    await this.#buildah('copy', '--quiet', container, root, '/');
    await this.#buildah('config', '--env', 'PATH=/usr/local/bin:/usr/bin:/bin', ...config, container);
    await this.#buildah('commit', '--quiet', '--rm', container, name);
    rmSync(root, { recursive: true, force: true });
  }

  /** @returns path of the image's archive */
  async #save(name: string): Promise<string> {
    const archive = join(this.#folder, `${name.replaceAll(/[/:]/g, '_')}.tar`);
    rmSync(archive, { force: true });
    await this.#buildah('push', '--quiet', name, `docker-archive:${archive}:${name}`);
    return archive;
  }

  /** The container that holds the namespaces of a pod, and any program that only waits. */
  async pause(): Promise<string> {
    const config = ['--entrypoint', '["/bin/sleep", "infinity"]'];
    await this.#make({ name: PAUSE_IMAGE, fill: (root) => putPrograms(root, ['/bin/sleep']), config });
    return this.#save(PAUSE_IMAGE);
  }

  /** @param program file of Gatekeeper's program */
  async gatekeeper(program: string, name: string): Promise<string> {
    await this.#make({ name, fill: (root) => cpSync(program, join(root, 'manager')) });
    return this.#save(name);
  }

  /** Digest of an image that was built, and so of its content. */
  digest(target: string, version: string): Promise<string> {
    return this.#buildah('images', '--format', '{{ .Digest }}', `${REGISTRY}/fso-${target}:${version}`);
  }

  /** Makes the base image of hub and agent: Node.js, without a shell. */
  async #base(): Promise<string> {
    const name = `${REGISTRY}/fso-base:${process.versions.node}`;
    const fill = async (root: string): Promise<void> => {
      await putPrograms(root, []);
      putNode(root);
    };
    await this.#make({ name, fill });
    return name;
  }

  /** Bytes that an image's archive has beyond its base. */
  async addedBytes(archive: string): Promise<number> {
    return statSync(archive).size - statSync(await this.#save(await this.#base())).size;
  }

  /** Makes the image in which hub and agent are built: npm, with this machine's registry and CA. */
  async #builder(): Promise<string> {
    const name = `${REGISTRY}/fso-builder:${process.versions.node}`;
    const ca = process.env['NODE_EXTRA_CA_CERTS'];
    const config = ['--env', `npm_config_registry=${await npmSetting('registry')}`];
    if (ca !== undefined) config.push('--env', `NODE_EXTRA_CA_CERTS=${ca}`);
    const fill = async (root: string): Promise<void> => {
      await putPrograms(root, [...SHELL, ...(ca === undefined ? [] : [ca])]);
      putNode(root);
      await putNpm(root);
    };
    await this.#make({ name, fill, config });
    return name;
  }

  /**
   * Writes a program `buildah` into a folder, as people have it where the Dockerfile's base can be
   * pulled: a stand-in for that base is there already, and nothing else.
   */
  async installBuildah(folder: string): Promise<void> {
    await this.#buildah('tag', await this.#builder(), NODE_IMAGE);
    // Credentials of the registry, which no layer keeps.
    const settings = await npmSetting('userconfig');
    const volume = existsSync(settings) ? ` --volume ${settings}:/root/.npmrc:ro` : '';
    const script = `#!/bin/sh
command=$1
shift
[ "$command" != build ] || set -- --isolation chroot --network host${volume} "$@"
exec ${this.#command.join(' ')} "$command" "$@"
`;
    writeFileSync(join(folder, 'buildah'), script, { mode: 0o755 });
  }

  /**
   * Builds the image of `hub` or `agent`. @param source folder of the repository, of any commit
   *
   * @returns path of its archive
   */
  async product(target: string, version: string, source = ROOT): Promise<string> {
    const name = `${REGISTRY}/fso-${target}:${version}`;
    const args = { BASE_IMAGE: await this.#base(), BUILD_IMAGE: await this.#builder(), VERSION: version };
    // A kept layer has the label of the version that it was made for.
    const label = `org.opencontainers.image.version=${version}`;
    // Credentials of the registry, which no layer keeps.
    const settings = await npmSetting('userconfig');
    await this.#buildah(
      ...[
        'bud',
        '--layers',
        '--isolation',
        'chroot',
        '--network',
        'host',
        '--pull=never',
        '--target',
        target,
        '--tag',
        name,
        '--label',
        label,
      ],
      ...Object.entries(args).flatMap(([key, value]) => ['--build-arg', `${key}=${value}`]),
      ...(existsSync(settings) ? ['--volume', `${settings}:/root/.npmrc:ro`] : []),
      ...['--file', join(source, 'deploy/images/Dockerfile'), source],
    );
    return this.#save(name);
  }
}
