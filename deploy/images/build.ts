/**
 * `npm run images`: builds the images of hub and agent by docker, podman or buildah, and brings
 * them to where nodes take them from.
 *
 *   npm run images -- --kind                                   the nodes of a kind cluster
 *   npm run images -- --import 'sudo k3s ctr images import -'  a node's containerd, by a command
 *   npm run images -- --push registry.example.com              a registry
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

const ROOT = join(import.meta.dirname, '..', '..');
const ENGINES = ['docker', 'podman', 'buildah'];
const TARGETS = ['agent', 'hub'];

const USAGE = `Usage: npm run images -- (--kind | --import <command> | --push <registry>) [options] [agent] [hub]

Builds the images of agent and hub, or one of them, and brings them to the nodes.

  --kind             loads them into the kind cluster "kind"; --name for another
  --name <name>      name of the kind cluster
  --import <command> gives each as an archive on standard input to a command, e.g. 'sudo k3s ctr images import -'
  --push <registry>  pushes them to a registry
  --with <engine>    ${ENGINES.join(', ')}; default: the first one that works
  --build-arg <x=y>  of deploy/images/Dockerfile, e.g. BASE_IMAGE=…; may be repeated
`;

class Usage extends Error {}

const options = {
  kind: { type: 'boolean', default: false },
  name: { type: 'string', default: 'kind' },
  import: { type: 'string' },
  push: { type: 'string' },
  with: { type: 'string' },
  'build-arg': { type: 'string', multiple: true, default: [] as string[] },
  help: { type: 'boolean', default: false },
} as const;

const parse = () => {
  try {
    return parseArgs({ options, allowPositionals: true });
  } catch (error) {
    throw new Usage((error as Error).message);
  }
};

const run = (program: string, ...args: string[]): void => {
  console.error(`$ ${program} ${args.join(' ')}`);
  execFileSync(program, args, { cwd: ROOT, stdio: ['ignore', 2, 2] });
};

const works = (engine: string): boolean => spawnSync(engine, ['version'], { stdio: 'ignore' }).status === 0;

const findEngine = (): string => {
  const found = ENGINES.find(works);
  if (found === undefined) throw new Usage(`none of ${ENGINES.join(', ')} works on this machine`);
  return found;
};

/** Runs a step with each image as an archive. */
const withArchives = (engine: string, images: readonly string[], step: (archive: string) => void): void => {
  const folder = mkdtempSync(join(tmpdir(), 'fso-images-'));
  try {
    for (const [index, image] of images.entries()) {
      const archive = join(folder, `${index}.tar`);
      if (engine === 'buildah') run(engine, 'push', image, `docker-archive:${archive}:${image}`);
      else run(engine, 'save', '--output', archive, image);
      step(archive);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};

const parseCommandLine = () => {
  const { values, positionals } = parse();
  const ways = [values.kind, values.import !== undefined, values.push !== undefined].filter(Boolean);
  if (ways.length !== 1 && !values.help) throw new Usage('say with one of --kind, --import and --push where the images go');
  const unknown = positionals.filter((target) => !TARGETS.includes(target));
  if (unknown.length > 0) throw new Usage(`there is no image ${unknown.join(', ')}`);
  return { ...values, targets: TARGETS.filter((target) => positionals.length === 0 || positionals.includes(target)) };
};
type CommandLine = ReturnType<typeof parseCommandLine>;

/** @returns names of the images */
const build = (engine: string, registry: string, { targets, 'build-arg': more }: CommandLine): readonly string[] => {
  const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string };
  const args = [`VERSION=${version}`, ...more].flatMap((arg) => ['--build-arg', arg]);
  return targets.map((target) => {
    const image = `${registry}/fso-${target}:${version}`;
    run(engine, 'build', '--file', 'deploy/images/Dockerfile', '--target', target, '--tag', image, ...args, '.');
    return image;
  });
};

const deliver = (engine: string, images: readonly string[], { push, import: command, name }: CommandLine): void => {
  if (push !== undefined) for (const image of images) run(engine, 'push', image);
  else if (command !== undefined)
    withArchives(engine, images, (archive) => {
      console.error(`$ ${command} < ${archive}`);
      execFileSync('sh', ['-c', command], { stdio: [openSync(archive, 'r'), 2, 2] });
    });
  else if (engine === 'docker') run('kind', 'load', 'docker-image', '--name', name, ...images);
  else withArchives(engine, images, (archive) => run('kind', 'load', 'image-archive', '--name', name, archive));
};

const main = (): void => {
  const line = parseCommandLine();
  if (line.help) return void process.stdout.write(USAGE);
  const engine = line.with ?? findEngine();
  const registry = line.push ?? 'localhost';
  const images = build(engine, registry, line);
  deliver(engine, images, line);
  console.log(`The nodes have ${images.join(' and ')}: the charts take them with --set global.imageRegistry=${registry}.
Next, where your nodes have no region yet:
  kubectl label nodes --all topology.kubernetes.io/region=eu-west-1`);
};

try {
  main();
} catch (error) {
  if (error instanceof Usage) console.error(`images: ${error.message}\n\n${USAGE}`);
  else console.error(`images: ${(error as Error).message}`);
  process.exitCode = error instanceof Usage ? 2 : 1;
}
