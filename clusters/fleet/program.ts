import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { delimiter, join, resolve } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import { type FleetCluster, selectClusters } from '../definition.ts';
import { clusterPaths } from '../local/state.ts';
import { PROVIDERS } from '../provider.ts';
import { CommandError } from '../toolchain/command-error.ts';
import type { Environment } from '../toolchain/go/go.ts';
import { KIND_TOOL, KUBECTL_TOOL, LOCAL_TOOLS } from '../toolchain/modules.ts';
import type { Log } from '../toolchain/progress.ts';
import { Downloader } from '../toolchain/releases/downloader.ts';
import { checkPins, renderCheck } from '../toolchain/releases/pin-check.ts';
import { PINS_FILE, readPins } from '../toolchain/releases/releases.ts';
import { ensureTools } from '../toolchain/tools.ts';
import { downFleet, knownClusters, upFleet } from './fleet.ts';
import { fleetStatus, renderStatus } from './status.ts';

/** Definition of the fleet and environment of `npm run fleet`, which tests replace. */
export interface ProgramContext {
  readonly definition: readonly FleetCluster[];
  readonly defaultStateDir: string;
  readonly env: Environment;
  /** Prints results, on standard output. */
  readonly out: Log;
  /** Prints progress, on standard error. */
  readonly log: Log;
  /** Prints progress that is rewritten, on a terminal. */
  readonly status?: Log;
  readonly signal: AbortSignal;
}

interface UpFlags {
  readonly clusters?: string[];
  readonly provider: (typeof PROVIDERS)[number];
  readonly gatekeeper: boolean;
  readonly auditSeconds: number;
  readonly basePort?: number;
  readonly stateDir: string;
}

const list = (value: string): string[] => value.split(',').filter((name) => name !== '');

/** @returns a parser of whole numbers within bounds, for commander */
const wholeNumber =
  (min: number, max: number) =>
  (value: string): number => {
    const number = Number(value);
    if (!Number.isInteger(number) || number < min || number > max)
      throw new InvalidArgumentError(`It must be a whole number from ${min} to ${max}.`);
    return number;
  };

async function up(flags: UpFlags, context: ProgramContext): Promise<void> {
  const started = performance.now();
  const { basePort, auditSeconds, clusters: names, ...rest } = flags;
  const clusters = await upFleet(
    {
      ...rest,
      clusters: selectClusters(context.definition, names),
      gatekeeperAuditSeconds: auditSeconds,
      env: context.env,
      log: context.log,
      ...(context.status && { status: context.status }),
      ...(basePort === undefined ? {} : { basePort }),
    },
    context.signal,
  );
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  context.out(clusters.some((cluster) => cluster.started) ? `fleet is up after ${seconds} s` : 'fleet was up already');
  for (const { name, kubeconfig } of clusters) context.out(`  ${name}  KUBECONFIG=${kubeconfig}`);
}

async function down(flags: { clusters?: string[]; stateDir: string }, context: ProgramContext): Promise<void> {
  const { env, log } = context;
  const names = await downFleet(
    { stateDir: flags.stateDir, env, log, ...(flags.clusters && { clusters: flags.clusters }) },
    context.signal,
  );
  context.out(names.length > 0 ? `fleet is down: ${names.join(', ')}` : 'nothing to end');
}

async function status(flags: { stateDir: string; output: string }, context: ProgramContext): Promise<void> {
  const names = new Set([...context.definition.map(({ name }) => name), ...knownClusters(flags.stateDir)]);
  const clusters = await fleetStatus(flags.stateDir, [...names]);
  context.out(flags.output === 'json' ? JSON.stringify(clusters, undefined, 2) : renderStatus(clusters));
}

/** Finds kubectl on PATH, else installs the one of the clusters' version. */
async function findKubectl(context: ProgramContext): Promise<string> {
  const onPath = (context.env['PATH'] ?? '').split(delimiter).map((dir) => join(dir, 'kubectl'));
  const found = onPath.find((file) => existsSync(file));
  if (found !== undefined) return found;
  const folders = await ensureTools({ ...context, modules: [KUBECTL_TOOL] }, context.signal);
  return join(folders[KUBECTL_TOOL.name] ?? '', 'kubectl');
}

/** Runs kubectl with the rights of a cluster's administrator. */
async function kubectl(cluster: string, args: readonly string[], flags: { stateDir: string }, context: ProgramContext): Promise<void> {
  const { kubeconfig } = clusterPaths(resolve(flags.stateDir), cluster);
  if (!existsSync(kubeconfig))
    throw new CommandError(`cluster ${cluster} is not up; there are ${knownClusters(flags.stateDir).join(', ') || 'none'}`);
  const child = spawn(await findKubectl(context), args, { stdio: 'inherit', env: { ...context.env, KUBECONFIG: kubeconfig } });
  const [code] = (await once(child, 'exit')) as [number | null];
  process.exitCode = code ?? 1;
}

/**
 * Compares the checksums of releases with those of the upstreams. Used when a version is changed.
 */
async function pins(context: ProgramContext): Promise<void> {
  const modules = [...LOCAL_TOOLS, KUBECTL_TOOL, KIND_TOOL];
  const checks = await checkPins(modules, readPins(PINS_FILE), new Downloader(context.env), context.signal);
  for (const check of checks) context.out(renderCheck(check));
  context.out(`${PINS_FILE}: a new line goes there once its checksum is compared with one that the upstream publishes`);
  if (checks.some(({ pinned, found }) => pinned !== found)) process.exitCode = 1;
}

/** The `fleet` command. */
export function createProgram(context: ProgramContext): Command {
  const names = context.definition.map(({ name }) => name).join(',');
  const stateDir = (): Option => new Option('--state-dir <dir>', 'where clusters live').default(context.defaultStateDir);
  const clusters = (): Option => new Option('--clusters <names>', `which clusters, comma-separated (${names})`).argParser(list);
  const program = new Command('fleet')
    .description('Starts Kubernetes clusters with Gatekeeper on this machine, one per entry of clusters/*/cluster.yaml.')
    .enablePositionalOptions();
  program
    .command('up')
    .description('start clusters, or what of them is missing; they keep running until `down`')
    .addOption(clusters())
    .addOption(
      new Option(
        '--provider <name>',
        'local: real control planes as processes; kind: Docker containers; auto: local where its programs can be had',
      )
        .choices(PROVIDERS)
        .default('auto'),
    )
    .option('--no-gatekeeper', 'leave Gatekeeper out')
    .addOption(new Option('--audit-seconds <n>', "time between Gatekeeper's audits").argParser(wholeNumber(1, 86_400)).default(10))
    .addOption(
      new Option('--base-port <n>', 'local: first port, 8 for each cluster; free ones otherwise').argParser(wholeNumber(1024, 65_000)),
    )
    .addOption(stateDir())
    .action((flags: UpFlags) => up(flags, context));
  program
    .command('down')
    .description('end clusters and remove what they left, also after a crash')
    .addOption(clusters())
    .addOption(stateDir())
    .action((flags: { clusters?: string[]; stateDir: string }) => down(flags, context));
  program
    .command('status')
    .description('show the clusters')
    .addOption(new Option('-o, --output <format>', 'output format').choices(['table', 'json']).default('table'))
    .addOption(stateDir())
    .action((flags: { stateDir: string; output: string }) => status(flags, context));
  program
    .command('kubectl')
    .description("run kubectl on a cluster: the one of PATH, else one of the cluster's version that is made on first use")
    .argument('<cluster>')
    .argument('[args...]')
    .addOption(stateDir())
    .allowUnknownOption()
    .passThroughOptions()
    .action((cluster: string, args: string[], flags: { stateDir: string }) => kubectl(cluster, args, flags, context));
  program
    .command('pins')
    .description('download all releases and compare them with the checksums of this repository, to add those of a new version')
    .action(() => pins(context));
  program.addHelpText(
    'after',
    `
Examples:
  npm run fleet -- up                          all clusters
  npm run fleet -- up --clusters eu            one cluster
  npm run fleet -- status
  npm run -s fleet -- kubectl eu get nodes -L topology.kubernetes.io/region
  npm run fleet -- down

Provider local downloads its programs once, and builds with Go what it cannot download, into $XDG_CACHE_HOME/fso/tools
(default ~/.cache). FSO_TOOLS=build or FSO_TOOLS=download does only the one.`,
  );
  return program;
}
