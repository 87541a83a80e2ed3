import { Command } from 'commander';
import manifest from '../package.json' with { type: 'json' };
import { DEFAULT_SERVER } from './context.ts';
import { EXIT } from './errors.ts';
import { accessCommands } from './usage/access-commands.ts';
import { fleetCommands } from './usage/fleet-commands.ts';
import { ledgerCommands } from './usage/ledger-commands.ts';
import { examples, run, textOrJsonOption } from './usage/options.ts';

/**
 * Every command loads its code when it runs: --help answers without the schemas, YAML and the hub.
 */

const EPILOGUE = `
Environment:
  FSO_SERVER  URL of the hub, as --server
  FSO_TOKEN   API token, as --token; default: the token that fso login stored for the hub
  NO_COLOR    no colours, as --no-color; they are also off when the output is not a terminal

Exit codes:
  0  success
  1  negative result (invalid, not found, in conflict, timed out)
  2  usage, connection or access error, or an unreadable folder`;

const addServe = (program: Command, settings: string): void => {
  program
    .command('serve')
    .description('run the hub in the foreground; its settings are environment variables')
    .addHelpText('after', settings === '' ? '' : `\nEnvironment:\n${settings}`)
    .action(async () => {
      const [{ shutdownSignal }, { runHub }] = await Promise.all([import('@fso/shared/runtime'), import('../hub.ts')]);
      process.exitCode = await runHub(process.env, shutdownSignal());
    });
};

const addValidate = (program: Command): void => {
  program
    .command('validate')
    .description('check a folder of policies as the hub checks a commit; needs no hub')
    .argument('<dir>', 'root of the policy repository')
    .addOption(textOrJsonOption())
    .addHelpText(
      'after',
      `\nProblems are written to stdout as path:line:column: reason.\n${examples('validate .', 'validate ../policies -o json')}`,
    )
    .action((dir: string, options: { output: 'text' | 'json' }, command: Command) =>
      run(command, async (context) => (await import('./commands/validate.ts')).validate(context, dir, options)),
    );
};

const withSubcommands = (command: Command): Command[] => [command, ...command.commands.flatMap(withSubcommands)];

/** @param settings of the hub, as the help of `serve` prints them; they cost loading the hub */
export const createProgram = (settings = ''): Command => {
  const program = new Command('fso')
    .description('Federated Sovereignty Operator: where the workloads of many clusters may run, from Git.')
    .version(manifest.version)
    .option('--server <url>', `URL of the hub (default: ${DEFAULT_SERVER})`)
    .option('--token <token>', 'API token; other users of this machine can see it, so prefer --token-file or FSO_TOKEN')
    .option('--token-file <file>', 'file with the API token')
    .option('--no-color', 'no colours')
    .showHelpAfterError('(add --help for the options)')
    .addHelpText('after', `${EPILOGUE}\n${examples('validate .', 'get policies -o wide', 'wait --revision "$(git rev-parse HEAD)"')}`);
  addServe(program, settings);
  for (const add of [addValidate, ...fleetCommands, ...accessCommands, ...ledgerCommands]) add(program);
  // Wrong usage ends with the exit code of an error.
  const exit = (error: { exitCode: number }): never => process.exit(error.exitCode === 0 ? EXIT.ok : EXIT.error);
  for (const command of withSubcommands(program)) command.exitOverride(exit);
  return program;
};
