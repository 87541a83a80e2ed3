import { type Command, Option } from 'commander';
import { parseTime } from './fleet-commands.ts';
import { action, examples, gather } from './options.ts';

const NOTES = `
It compares the rules of every cluster, for every possible pod and namespace, and shows a pod that can run before and not after.
With --server or FSO_SERVER the hub compares the files with the commit that it follows, and asks the clusters whose rules change what that does to the workloads there.
Capacity, volumes and pod affinity are not looked at.
With --branch the hub reads the newest commit of a branch by itself, and says what has changed since its last plan; trailers are not read then.
A hub stores the effects, without any text of the change, and names them by an id. The trailer Accept-Effects: <id> in the message of a commit of --ref accepts them: the plan passes while all its effects are among them.

Exit code 0: nothing breaks, or all effects are accepted. 1: a pod that could run would be refused or stay pending, or something that runs would be worse off; or not all was looked at, a cluster did not answer, or nothing was looked at.
2: a commit or folder cannot be read, or is not valid; its problems are written to stderr; or the hub makes no plan.`;

/** Adds `fso plan`. */
export const addPlan = (program: Command): void => {
  program
    .command('plan')
    .description('show what a change of policies does to the fleet, before it is merged; needs git, or a hub')
    .option('--dir <dir>', 'root of the policy repository', '.')
    .option(
      '--ref <revision>',
      'the change: a branch, tag or commit of that repository, which may be a bare one; default: its files as they are',
    )
    .addOption(
      new Option(
        '--branch <name>',
        'the change: a branch of the policy repository that the hub reads by itself; see fso get branches',
      ).conflicts(['dir', 'ref', 'base', 'offline']),
    )
    .option('--base <revision>', 'without a hub: branch, tag or commit to compare with (default: main)')
    .option('--at <time>', 'what has changed by this time, such as 2027-06-27: policies that have expired then do not count', parseTime)
    .option('--cluster <name>', 'only this cluster; may be repeated', gather, [])
    .option('--without-cluster <name>', 'as if this cluster were lost; may be repeated', gather, [])
    .option('--without-region <region>', 'as if all nodes in this region were lost; may be repeated', gather, [])
    .option('--offline', 'ask no hub')
    .option(
      '--allow-missing',
      'clusters whose agents are away or off, or that do not have the namespaces yet, do not fail the plan, if any answered',
    )
    .addOption(new Option('-o, --output <format>', 'output format').choices(['table', 'json', 'markdown']).default('table'))
    .addHelpText(
      'after',
      `${NOTES}\n${examples(
        'plan --base origin/main',
        'plan --server https://fso.example.com --ref tighten-finance',
        'plan --server https://fso.example.com --branch tighten-finance',
        'plan --ref tighten-finance -o markdown',
        'plan --ref main --at 2027-06-27',
        'plan --ref main --without-region eu-west-1',
      )}`,
    )
    .action(action(async () => (await import('../commands/plan/plan.ts')).plan));
};
