import { type Command, InvalidArgumentError, Option } from 'commander';
import type { GetOptions } from './commands/get.ts';
import type { ReportOptions } from './commands/report.ts';
import { type Kind, kindArgument } from './kinds.ts';
import { contextOf, examples, outputOption } from './program-parts.ts';
import { runCommand } from './run.ts';

/** The commands that list what there is. Each loads what it needs when it runs. */

export const parseLimit = (text: string): number => {
  if (/^\d{1,3}$/.test(text) && Number(text) >= 1 && Number(text) <= 500) return Number(text);
  throw new InvalidArgumentError('Must be 1 to 500.');
};

export const addGet = (program: Command): void => {
  program
    .command('get')
    .description('list policies, clusters, violations, events or commits, or one policy or cluster, or show one commit on its way')
    .addArgument(kindArgument('what to list'))
    .argument('[name]', 'of one policy (also as namespace/name) or cluster; id of a commit, or its beginning')
    .addOption(outputOption())
    .option('--cluster <name>', 'of this cluster (policies, violations, events)')
    .addOption(new Option('--phase <phase>', 'in this phase (policies)').choices(['Pending', 'Active', 'Failed', 'Expired']))
    .option('-n, --namespace <name>', 'that govern or lie in this namespace (policies, violations)')
    .option('--policy <namespace/name>', 'of this policy (violations, events)')
    .option('--region <region>', 'that allow it (policies), are in it (clusters) or run in it (violations)')
    .addOption(
      new Option('--action <action>', 'with this enforcement action (policies, violations)').choices(['deny', 'warn', 'dryrun', 'custom']),
    )
    .addOption(new Option('--managed-by <who>', 'of Git, or of the clusters themselves (policies)').choices(['hub', 'local']))
    .option('--violating', 'with violations (policies, clusters)')
    .option('--expiring', 'that expire within 14 days (policies)')
    .option('--kind <kind>', 'such as Pod (violations)')
    .option('-q, --query <text>', 'with this text in the name (policies, clusters, violations)')
    .option('--sort <order>', 'such as violations, or -violations for the most first (policies, clusters, violations)')
    .option('--limit <number>', 'at most so many (events, commits; 100 if not given)', parseLimit)
    .addHelpText(
      'after',
      examples(
        'get clusters --violating --sort=-violations',
        'get policies --cluster eu --phase Failed',
        'get violations -n finance -o wide',
        'get events --limit 20 -o json',
        'get policy finance-eu',
        'get commit 1f3a9c',
      ),
    )
    .action((kind: Kind, name: string | undefined, options: GetOptions, command: Command) => {
      const context = contextOf(command);
      return runCommand(context, async () => (await import('./commands/get.ts')).get(context, kind, name, options));
    });
};

export const addReport = (program: Command): void => {
  program
    .command('report')
    .description('what an auditor takes away')
    .command('issues')
    .description('everything that is not as it should be: of clusters, of policies, and the violations')
    .addOption(
      new Option('-o, --output <format>', 'a table, a document for programs, or a page to print')
        .choices(['csv', 'json', 'html'])
        .default('csv'),
    )
    .option('--out <file>', 'write it there instead of standard output')
    .addHelpText('after', examples('report issues > issues.csv', 'report issues -o html --out issues.html'))
    .action((options: ReportOptions, command: Command) => {
      const context = contextOf(command);
      return runCommand(context, async () => (await import('./commands/report.ts')).reportIssues(context, options));
    });
};
