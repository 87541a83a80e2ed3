import { type Command, InvalidArgumentError, Option } from 'commander';
import { action, examples, outputOption } from './options.ts';

/** Commands about alerts. Each loads its code when it runs. */

const load = () => import('../commands/alerts.ts');

const UNITS: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Parses a duration. @returns milliseconds */
const parseSpan = (text: string): number => {
  const [, count, unit = ''] = /^(\d{1,5})([mhd])$/.exec(text) ?? [];
  const ms = Number(count) * (UNITS[unit] ?? Number.NaN);
  if (ms > 0) return ms;
  throw new InvalidArgumentError('Must be a number and a unit, such as 30m, 2h or 7d.');
};

const parseTime = (text: string): string => {
  const time = Date.parse(text);
  if (Number.isNaN(time)) throw new InvalidArgumentError('Must be a time such as 2026-01-03T22:00:00Z.');
  return new Date(time).toISOString();
};

const addList = (alerts: Command): void => {
  alerts
    .command('list', { isDefault: true })
    .description('list alerts that fire or are silenced')
    .option('--all', 'also those that were resolved within a day')
    .addOption(new Option('--state <state>', 'in this state only').choices(['firing', 'silenced', 'resolved']))
    .addOption(new Option('--severity <severity>', 'of this severity').choices(['critical', 'warning', 'info']))
    .option('--name <name>', 'of this name, such as ClusterAway')
    .option('--cluster <name>', 'of this cluster')
    .option('--policy <name>', 'of this policy')
    .option('--team <name>', 'of this team')
    .option('-q, --query <text>', 'with this text in summary, details or labels')
    .option('--sort <order>', 'state, severity, started, name or cluster; `-started` for the newest first')
    .addOption(outputOption())
    .addHelpText('after', examples('alerts', 'alerts list --severity critical -o wide', 'alerts --all --cluster eu --sort=-started'))
    .action(action(async () => (await load()).listAlerts));
};

const addSilence = (alerts: Command): void => {
  alerts
    .command('silence')
    .description('silence alerts for a time, now or as a maintenance window (operators)')
    .argument('<matchers...>', 'what is silenced; all must match: cluster="eu-1", severity!=info, name=~"Policy.*"')
    .requiredOption('--reason <text>', 'why, for those who look for the alert')
    .addOption(new Option('--for <time>', 'how long, such as 30m, 2h or 7d (default: 2h)').argParser(parseSpan))
    .addOption(new Option('--from <time>', 'when it begins (default: now)').argParser(parseTime))
    .addOption(new Option('--until <time>', 'when it ends').argParser(parseTime))
    .addOption(outputOption())
    .addHelpText(
      'after',
      examples(
        'alerts silence cluster=eu-1 --for 4h --reason "new nodes"',
        'alerts silence cluster=eu-1 --from 2026-01-03T22:00:00Z --until 2026-01-04T02:00:00Z --reason "upgrade"',
      ),
    )
    .action(action(async () => (await load()).silenceAlerts));
  alerts
    .command('unsilence')
    .description('end a silence now (operators)')
    .argument('<id>', 'id, as alerts silences shows it')
    .action(action(async () => (await load()).unsilence));
  alerts
    .command('silences')
    .description('list silences and maintenance windows')
    .addOption(outputOption())
    .action(action(async () => (await load()).listSilences));
};

const addReceivers = (alerts: Command): void => {
  alerts
    .command('receivers')
    .description('list receivers, with their last success and failure')
    .addOption(outputOption())
    .action(action(async () => (await load()).listReceivers));
  alerts
    .command('test')
    .description('make the hub send a test notification to a receiver, and show its answer (operators)')
    .argument('<receiver>', 'name of the receiver')
    .addOption(outputOption())
    .addHelpText('after', '\nIt ends with 1 if the receiver did not take the notification.\n')
    .action(action(async () => (await load()).testReceiver));
};

/** Adds `fso alerts` with its commands to the program. */
export const addAlerts = (program: Command): void => {
  const alerts = program.command('alerts').description('show, silence and test alerts');
  for (const add of [addList, addSilence, addReceivers]) add(alerts);
};
