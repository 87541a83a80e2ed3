import { type Command, InvalidArgumentError, Option } from 'commander';
import type { GetOptions, ListedKind } from '../commands/get.ts';
import type { Context } from '../context.ts';
import { CliError } from '../errors.ts';
import { action, examples, gather, kindArgument, outputOption, parseDuration, parseLimit, parseName } from './options.ts';

/** Commands about policies and clusters. Each loads its code when it runs. */

const addStatus = (program: Command): void => {
  program
    .command('status')
    .description('show the repository and the fleet in numbers')
    .addOption(outputOption())
    .action(action(async () => (await import('../commands/status.ts')).status));
};

const addGet = (program: Command): void => {
  program
    .command('get')
    .description(
      'list policies, clusters, violations, risks, denials, events, commits, issues, plans or branches, or show one policy, cluster, commit or plan',
    )
    .addArgument(kindArgument('what to list'))
    .argument('[name]', 'one policy (a local one as namespace/name) or cluster; id of a commit, or its beginning; id of a stored plan')
    .addOption(outputOption())
    .option('--cluster <name>', 'in this cluster (policies, violations, risks, denials, events, issues)')
    .addOption(new Option('--phase <phase>', 'in this phase (policies)').choices(['Pending', 'Active', 'Failed', 'Expired']))
    .option('-n, --namespace <name>', 'that govern or lie in this namespace (policies, violations, risks, denials)')
    .option('--policy <name>', 'of this policy (violations, risks, denials, events)')
    .option('--region <region>', 'that allow it (policies), are in it (clusters) or run in it (violations)')
    .addOption(
      new Option('--action <action>', 'with this enforcement action (policies, violations)').choices(['deny', 'warn', 'dryrun', 'custom']),
    )
    .addOption(new Option('--managed-by <who>', 'from Git, or from the clusters themselves (policies)').choices(['hub', 'local']))
    .option('--violating', 'with violations (policies, clusters)')
    .option('--expiring', 'that expire within 14 days (policies)')
    .option('--kind <kind>', 'such as Pod (violations) or CronJob (risks, denials)')
    .addOption(new Option('--risk <risk>', 'whose next pods would be refused, or stay pending (risks)').choices(['Refused', 'Pending']))
    .option('-q, --query <text>', 'with this text in the name (policies, clusters, violations, risks, denials)')
    .option('--sort <order>', 'such as violations, or -violations for the most first (policies, clusters, violations, risks, denials)')
    .option('--limit <number>', 'maximum number (events, commits, plans; default 100)', parseLimit)
    .addHelpText(
      'after',
      examples(
        'get clusters --violating --sort=-violations',
        'get policies --cluster eu --phase Failed',
        'get violations -n finance -o wide',
        'get risks --risk Refused -n finance',
        'get denials --cluster eu --sort=-count',
        'get events --limit 20 -o json',
        'get issues --cluster eu -o wide',
        'get policy finance-eu',
        'get commit 1f3a9c',
        'get plans --limit 10',
        'get branches',
      ),
    )
    .action(action(async () => (await import('../commands/get.ts')).get));
};

interface DescribeOptions extends Pick<GetOptions, 'output'> {
  readonly cluster?: string;
}

const describe = async (context: Context, kind: ListedKind, name: string, { cluster, ...options }: DescribeOptions): Promise<void> => {
  if (kind !== 'policies' && cluster !== undefined) throw new CliError('--cluster: for policies only');
  if (kind === 'commits') return (await import('../commands/get.ts')).get(context, kind, name, options);
  const { describeCluster, describePolicy, describePolicyInCluster } = await import('../commands/describe.ts');
  if (kind === 'clusters') return describeCluster(context, name, options);
  return cluster === undefined ? describePolicy(context, name, options) : describePolicyInCluster(context, name, { ...options, cluster });
};

const addDescribe = (program: Command): void => {
  program
    .command('describe')
    .description('show one policy, cluster or commit in full')
    .addArgument(kindArgument('its kind', ['policies', 'clusters', 'commits']))
    .argument('<name>', 'name; a local policy as namespace/name, a commit by its id or the beginning of it')
    .option('--cluster <name>', 'of a policy: all that the agent of this cluster knows of it, which the hub asks now')
    .addOption(outputOption())
    .addHelpText('after', examples('describe policy finance-eu', 'describe policy finance-eu --cluster us', 'describe cluster us -o yaml'))
    .action(action(() => describe));
};

/** Pattern of a time in RFC 3339 with an offset, or of a day. */
const TIME = /^(\d{4}-\d{2}-\d{2})(T\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:\d{2}))?$/;

/** Whether a day exists. JavaScript would read 30 February as 2 March. */
const isDay = (day: string): boolean => {
  const begin = new Date(`${day}T00:00:00Z`);
  return !Number.isNaN(begin.getTime()) && begin.toISOString().startsWith(day);
};

/** Parses a time, or a day in UTC. @returns RFC 3339, in UTC */
export const parseTime = (text: string): string => {
  const [, day = '', clock] = TIME.exec(text) ?? [];
  const time = new Date(clock === undefined ? `${text}T00:00:00Z` : text);
  if (isDay(day) && !Number.isNaN(time.getTime())) return time.toISOString();
  throw new InvalidArgumentError(
    'Must be a time such as 2026-01-03T10:30:00Z or 2026-01-03T11:30:00+01:00, or a day in UTC such as 2026-01-03.',
  );
};

const addHistory = (program: Command): void => {
  program
    .command('history')
    .description('show the history of a policy in a cluster, or whether it was proven at a time')
    .argument('<policy>', 'name; a local policy as namespace/name')
    .requiredOption('--cluster <name>', 'in this cluster, also one that is gone')
    .option(
      '--at <time>',
      'whether it was proven at this time, such as 2026-01-03T10:30:00Z, or at the beginning of a day in UTC',
      parseTime,
    )
    .option('--limit <number>', 'maximum number of changes; default 100', parseLimit)
    .addOption(outputOption())
    .addHelpText('after', examples('history finance-eu --cluster eu', 'history finance-eu --cluster eu --at 2026-01-03T10:30:00Z'))
    .action(action(async () => (await import('../commands/history.ts')).history));
};

const TABLE_OR_DATA = ['a table, or a document for programs', ['csv', 'json']] as const;
const REPORTS = [
  ['risks', 'all owners whose next pods would be refused or stay pending; capacity and volumes are not looked at', ...TABLE_OR_DATA],
  ['denials', 'all owners whose pods were refused within the last hour, and how many pods have no owner', ...TABLE_OR_DATA],
  ['processing', 'in which countries the running pods of each governed namespace are, as the agents see them now', ...TABLE_OR_DATA],
  [
    'issues',
    'everything that is wrong with the fleet: clusters, policies, and the violations',
    'a table, a document for programs, or a page to print',
    ['csv', 'json', 'html'],
  ],
] as const;

const addReport = (program: Command): void => {
  const report = program.command('report').description('write reports for auditors');
  for (const [kind, content, formatText, formats] of REPORTS)
    report
      .command(kind)
      .description(`write ${content}`)
      .addOption(new Option('-o, --output <format>', formatText).choices(formats).default('csv'))
      .option('--out <file>', 'write to this file instead of standard output')
      .addHelpText('after', examples(`report ${kind} > ${kind}.csv`, `report ${kind} -o ${formats.at(-1)} --out ${kind}.${formats.at(-1)}`))
      .action(action(async () => (await import('../commands/status.ts')).report(kind)));
};

const parseRevision = (text: string): string => {
  if (text === 'HEAD' || /^[0-9a-f]{4,64}$/.test(text)) return text;
  throw new InvalidArgumentError('Must be HEAD or at least the first 4 characters of a commit id, in lower case.');
};

const addWait = (program: Command): void => {
  program
    .command('wait')
    .description('wait until the clusters have a revision')
    .option('--revision <commit>', 'commit id, the beginning of one, or HEAD: the one in force at the hub', parseRevision, 'HEAD')
    .addOption(
      new Option('--for <goal>', 'accepted: the agent has taken it; proven: the locks enforce every policy of it')
        .choices(['proven', 'accepted'])
        .default('proven'),
    )
    .option('--cluster <name>', 'only this cluster; default: every registered one')
    .addOption(new Option('--timeout <duration>', 'how long to wait').argParser(parseDuration).default(60_000, '60s'))
    .addHelpText(
      'after',
      examples('wait --revision "$(git rev-parse HEAD)"', 'wait --revision 1f3a9c --for accepted --cluster eu --timeout 10s'),
    )
    .action(action(async () => (await import('../commands/wait.ts')).wait));
};

const MAX_TTL_MS = 3600 * 1000;
const DEFAULT_TTL_MS = 30 * 60 * 1000;

const ttlOption = (): Option =>
  new Option('--ttl <duration>', 'lifetime of the token, at most 1h')
    .argParser((text) => {
      const ms = parseDuration(text);
      if (ms >= 1000 && ms <= MAX_TTL_MS) return ms;
      throw new InvalidArgumentError('Must be between 1s and 1h.');
    })
    .default(DEFAULT_TTL_MS, '30m');

const loadClusters = () => import('../commands/clusters.ts');

const addEnrolment = (clusters: Command): void => {
  clusters
    .command('add')
    .description('print what adds a cluster: a registration to commit, if there is none yet, a token, and the commands to run')
    .argument('<name>', 'name of the cluster', parseName)
    .option('--region <region>', 'region of its nodes; may be repeated', gather, [])
    .option('--label <key=value>', 'label for placements; may be repeated', gather, [])
    .option('--provider <provider>', 'provider of its nodes, as regions/catalog.yaml names it: aws')
    .addOption(ttlOption())
    .addHelpText('after', examples('clusters add eu --region eu-west-1 --region eu-central-1 --label environment=production'))
    .action(action(async () => (await loadClusters()).addCluster));
  clusters
    .command('token')
    .description('create the token with which the agent of a cluster enrols, once; it replaces an unused one')
    .argument('<name>', 'name of the cluster', parseName)
    .addOption(ttlOption())
    .addOption(
      new Option('-o, --output <format>', 'output format; secret: a manifest for kubectl apply -f -')
        .choices(['text', 'json', 'secret'])
        .default('text'),
    )
    .addHelpText('after', examples('clusters token eu -o secret | kubectl apply -f -'))
    .action(action(async () => (await loadClusters()).createToken));
};

const addRemoval = (clusters: Command): void => {
  clusters
    .command('revoke')
    .description('revoke every certificate and token of a cluster, and close its stream at once')
    .argument('<name>', 'name of the cluster', parseName)
    .option('--yes', 'confirm', false)
    .action(action(async () => (await loadClusters()).revokeCluster));
  clusters
    .command('forget')
    .description('remove all data of a cluster that is neither registered nor connected any more')
    .argument('<name>', 'name of the cluster', parseName)
    .option('--yes', 'confirm', false)
    .option('--force', 'also before the hub has read the repository, so that it cannot tell whether the cluster is registered', false)
    .action(action(async () => (await loadClusters()).forgetCluster));
};

/** Adds `fso clusters` with its commands. */
const addClusters = (program: Command): void => {
  const clusters = program.command('clusters').description('enrol clusters, and revoke them');
  addEnrolment(clusters);
  clusters
    .command('list')
    .description('list enrolments, with the end of each certificate, the last contact, and the clock skew')
    .addOption(outputOption())
    .action(action(async () => (await loadClusters()).listClusters));
  addRemoval(clusters);
};

const loadRollout = () => import('../commands/rollout.ts');

/** Adds `fso rollout` with its commands. */
const addRollout = (program: Command): void => {
  const rollout = program.command('rollout').description('see and hold the rollout of the newest commit in waves');
  rollout
    .command('status')
    .description('show the waves, and what keeps the rollout from going on')
    .option('-w, --watch', 'show each change until every wave has the commit; exits with 1 where a gate fails', false)
    .addOption(outputOption())
    .addHelpText('after', examples('rollout status', 'rollout status --watch'))
    .action(action(async () => (await loadRollout()).rolloutStatus));
  rollout
    .command('pause')
    .description('hold the rollout: no further cluster gets the commit, unless it changes nothing there (operators)')
    .action(action(async () => (await loadRollout()).pauseRollout));
  rollout
    .command('resume')
    .description('end a pause; where a gate has failed, say which, go on all the same and accept what it found (operators)')
    .option('--revision <commit>', 'only if the rollout is of this commit: its whole id')
    .option('--halt <time>', 'only if it is halted since then, as `fso rollout status` says')
    .addHelpText('after', examples('rollout resume', 'rollout resume --revision "$(git rev-parse HEAD)"'))
    .action(action(async () => (await loadRollout()).resumeRollout));
  rollout
    .command('approve')
    .description('print the commands of Git that approve the commit for a wave, or for all at once; nothing is signed or pushed')
    .argument('[wave]', 'a wave that waits for an approval, or will')
    .option('--immediate', 'for every cluster at once, without waves: a commit with the trailer `Rollout: immediate`', false)
    .option('--suffix <name>', 'makes the name of the tag another one, where a second approver is needed')
    .addHelpText('after', examples('rollout approve production', 'rollout approve production --suffix bob', 'rollout approve --immediate'))
    .action(action(async () => (await loadRollout()).approveRollout));
};

/** Adds the commands that read or follow the fleet to the program. */
export const fleetCommands: readonly ((program: Command) => void)[] = [
  addStatus,
  addGet,
  addDescribe,
  addHistory,
  addReport,
  addWait,
  addRollout,
  addClusters,
];
