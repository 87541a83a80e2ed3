import { type Command, InvalidArgumentError, Option } from 'commander';
import type { AddOptions } from './commands/clusters.ts';
import { contextOf, examples, outputOption, parseDuration } from './program-parts.ts';
import type { Format } from './render/output.ts';
import { runCommand } from './run.ts';

const MAX_TTL_MS = 3600 * 1000;
const DEFAULT_TTL_MS = 30 * 60 * 1000;

const gather = (value: string, before: readonly string[]): string[] => [...before, value];

/** A name that no cluster can have would be another path in a URL. */
const parseName = (name: string): string => {
  if (/^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/.test(name)) return name;
  throw new InvalidArgumentError('Must be a lowercase RFC 1123 subdomain, as the name of a ManagedCluster.');
};

const ttlOption = (): Option =>
  new Option('--ttl <duration>', 'how long the token is good, at most 1h')
    .argParser((text) => {
      const ms = parseDuration(text);
      if (ms >= 1000 && ms <= MAX_TTL_MS) return ms;
      throw new InvalidArgumentError('Must be between 1s and 1h.');
    })
    .default(DEFAULT_TTL_MS, '30m');

const load = () => import('./commands/clusters.ts');

const addAdd = (clusters: Command): void => {
  clusters
    .command('add')
    .description('what it takes to add a cluster: its registration to commit, if there is none yet, a token, and the commands to run')
    .argument('<name>', 'name of the cluster', parseName)
    .option('--region <region>', 'where it has nodes; may be repeated', gather, [])
    .option('--label <key=value>', 'what placements select it by; may be repeated', gather, [])
    .addOption(ttlOption())
    .addHelpText('after', examples('clusters add eu --region eu-west-1 --region eu-central-1 --label environment=production'))
    .action((name: string, { ttl, ...options }: Omit<AddOptions, 'ttlMs'> & { ttl: number }, command: Command) => {
      const context = contextOf(command);
      return runCommand(context, async () => (await load()).addCluster(context, name, { ...options, ttlMs: ttl }));
    });
};

const addToken = (clusters: Command): void => {
  clusters
    .command('token')
    .description('make the token with which the agent of a cluster enrols, once; one that was not used is worth nothing any more')
    .argument('<name>', 'name of the cluster', parseName)
    .addOption(ttlOption())
    .addOption(new Option('-o, --output <format>', 'how to show it').choices(['text', 'json']).default('text'))
    .action((name: string, { ttl, output }: { ttl: number; output: 'text' | 'json' }, command: Command) => {
      const context = contextOf(command);
      return runCommand(context, async () => (await load()).createToken(context, name, { ttlMs: ttl, output }));
    });
};

const addList = (clusters: Command): void => {
  clusters
    .command('list')
    .description('who has enrolled, until when its certificate is good, when it was seen last, and how its clock goes')
    .addOption(outputOption())
    .action((options: { output: Format }, command: Command) => {
      const context = contextOf(command);
      return runCommand(context, async () => (await load()).listClusters(context, options));
    });
};

const addRevoke = (clusters: Command): void => {
  clusters
    .command('revoke')
    .description('make every certificate and token of a cluster worthless, and close its stream at once')
    .argument('<name>', 'name of the cluster', parseName)
    .option('--yes', 'really', false)
    .action((name: string, options: { yes: boolean }, command: Command) => {
      const context = contextOf(command);
      return runCommand(context, async () => (await load()).revokeCluster(context, name, options));
    });
};

const addForget = (clusters: Command): void => {
  clusters
    .command('forget')
    .description('remove what the hub knows of a cluster that is neither registered nor connected any more')
    .argument('<name>', 'name of the cluster', parseName)
    .option('--yes', 'really', false)
    .action((name: string, options: { yes: boolean }, command: Command) => {
      const context = contextOf(command);
      return runCommand(context, async () => (await load()).forgetCluster(context, name, options));
    });
};

/** `fso clusters …` */
export const addClusters = (program: Command): void => {
  const clusters = program.command('clusters').description('let clusters in, and put them out');
  for (const add of [addAdd, addToken, addList, addRevoke, addForget]) add(clusters);
};
