import { basename } from 'node:path';
import { type Command, CommanderError } from 'commander';
import manifest from '../package.json' with { type: 'json' };
import { CommandLine, type Io } from './command-line.ts';
import { DEFAULT_SERVER } from './context.ts';
import { EXIT } from './errors.ts';
import { accessCommands } from './usage/access-commands.ts';
import { addAlerts } from './usage/alert-commands.ts';
import { addAudit } from './usage/audit-commands.ts';
import { addBackupFromHub } from './usage/backup-command.ts';
import { COMPLETE, complete, formatCompletion } from './usage/complete.ts';
import { addCompletion } from './usage/completion-commands.ts';
import { fleetCommands } from './usage/fleet-commands.ts';
import { addHubCommands } from './usage/hub-commands.ts';
import { action, examples, textOrJsonOption } from './usage/options.ts';
import { addPlan } from './usage/plan-command.ts';
import { addRegions } from './usage/region-commands.ts';
import { repositoryCommands } from './usage/repository-commands.ts';

/**
 * Text after the help. Commands load their code when they run, so that --help works without the
 * schemas, YAML and the hub.
 */

const EPILOGUE = `
Environment:
  FSO_SERVER  URL of the hub, as --server
  FSO_TOKEN   API token, as --token; default: the token that fso login stored for the hub; in the hub's pod, the hub's own
  NO_COLOR    no colours, as --no-color; they are also off when the output is not a terminal

Exit codes:
  0  success
  1  negative result (invalid, not found, in conflict, timed out)
  2  usage, connection or access error, or an unreadable folder`;

const addValidate = (program: Command): void => {
  program
    .command('validate')
    .description('check a folder of policies as the hub checks a commit; needs no hub')
    .argument('<dir>', 'root of the policy repository')
    .option('--base <revision>', 'also list what clusters gain and lose since this commit of the repository')
    .option('--fix', 'first give each registration of a cluster the file in which its agent looks for it')
    .addOption(textOrJsonOption())
    .addHelpText(
      'after',
      `\nProblems are written to stdout as path:line:column: reason.\n${examples('validate .', 'validate . --base origin/main', 'validate ../policies -o json')}`,
    )
    .action(action(async () => (await import('./commands/validate/validate.ts')).validate));
};

const assemble = (io: Io, commands: readonly ((program: Command) => void)[]): CommandLine => {
  const program = new CommandLine(io)
    .description('Federated Sovereignty Operator: where the workloads of many clusters may run, from Git.')
    .version(manifest.version)
    .option('--server <url>', `URL of the hub (default: ${DEFAULT_SERVER})`)
    .option('--token <token>', 'API token; other users of this machine can see it, so prefer --token-file or FSO_TOKEN')
    .option('--token-file <file>', 'file with the API token')
    .option('--no-color', 'no colours')
    .configureHelp({ showGlobalOptions: true })
    .showHelpAfterError('(add --help for the options)')
    .addHelpText('after', `${EPILOGUE}\n${examples('validate .', 'get policies -o wide', 'wait --revision "$(git rev-parse HEAD)"')}`);
  for (const add of commands) add(program);
  return program;
};

const CLIENT_COMMANDS = [
  ...repositoryCommands,
  addRegions,
  addValidate,
  addPlan,
  ...fleetCommands,
  ...accessCommands,
  addAlerts,
  addAudit,
  addCompletion,
];

/** Creates the program of the npm package, with the commands that need no hub on this machine. */
export const createClientProgram = (io: Io = process): CommandLine => assemble(io, [...CLIENT_COMMANDS, addBackupFromHub]);

/**
 * Creates the program with all commands.
 *
 * @param settings help text of the hub's settings, which requires loading the hub
 */
export const createProgram = (settings = '', io: Io = process): CommandLine =>
  assemble(io, [(program) => addHubCommands(program, settings), ...CLIENT_COMMANDS]);

/**
 * Names under which kubectl runs plugins: `kubectl-fso` for `kubectl fso`, and
 * `kubectl_complete-fso` for its completion.
 */
const COMPLETER = 'kubectl_complete-fso';
const PLUGIN = 'kubectl-fso';

/** Runs a command. @param argv path of the program, and its arguments @returns the exit code */
export const run = async (program: CommandLine, [path = '', ...args]: readonly string[]): Promise<number> => {
  const name = basename(path);
  const words = name === COMPLETER ? args : args[0] === COMPLETE ? args.slice(1) : undefined;
  if (words !== undefined) {
    program.io.stdout.write(formatCompletion(complete(program, words)));
    return EXIT.ok;
  }
  if (name === PLUGIN) program.name('kubectl fso');
  try {
    await program.parseAsync(args, { from: 'user' });
    return program.exitCode;
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    // Wrong usage ends with the exit code of an error.
    return error.exitCode === 0 ? EXIT.ok : EXIT.error;
  }
};

/** Runs the command line of this process. */
export const runProcess = async (program: CommandLine): Promise<void> => {
  // The reader of a pipe may end early (`fso get policies | head -1`). That is no error, and
  // further output is useless.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    process.exit(0);
  });
  process.exitCode = await run(program, process.argv.slice(1));
};
