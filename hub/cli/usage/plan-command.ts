import { type Command, Option } from 'commander';
import { parseTime } from './fleet-commands.ts';
import { action, examples, gather } from './options.ts';

const NOTES = `
It compares the rules of every cluster, for every possible pod and namespace, and shows a pod that can run before and not after.
No cluster is asked which pods run. Capacity, volumes and pod affinity are not looked at.

Exit code 0: nothing breaks. 1: a pod that could run would be refused or stay pending, or not all was looked at, or nothing.
2: a commit or folder cannot be read, or is not valid; its problems are written to stderr.`;

/** `fso plan` */
export const addPlan = (program: Command): void => {
  program
    .command('plan')
    .description('show what a change of policies does to the fleet, before it is merged; needs git, and no hub')
    .option('--dir <dir>', 'root of the policy repository', '.')
    .option(
      '--ref <revision>',
      'the change: a branch, tag or commit of that repository, which may be a bare one; default: its files as they are',
    )
    .option('--base <revision>', 'branch, tag or commit to compare with', 'main')
    .option('--at <time>', 'what has changed by this time, such as 2027-06-27: policies that have expired then do not count', parseTime)
    .option('--cluster <name>', 'only this cluster; may be repeated', gather, [])
    .option('--without-cluster <name>', 'as if this cluster were lost; may be repeated', gather, [])
    .option('--without-region <region>', 'as if all nodes in this region were lost; may be repeated', gather, [])
    .option('--offline', 'ask no hub, as it never does')
    .addOption(new Option('-o, --output <format>', 'output format').choices(['table', 'json', 'markdown']).default('table'))
    .addHelpText(
      'after',
      `${NOTES}\n${examples(
        'plan --base origin/main',
        'plan --ref tighten-finance -o markdown',
        'plan --ref main --at 2027-06-27',
        'plan --ref main --without-region eu-west-1',
      )}`,
    )
    .action(action(async () => (await import('../commands/plan/plan.ts')).plan));
};
