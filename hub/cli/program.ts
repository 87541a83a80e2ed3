import { Command, InvalidArgumentError, Option } from 'commander';
import manifest from '../package.json' with { type: 'json' };
import type { ExportFormat } from '../serve/export/audit-formats.ts';
import { hubEnvironment } from './client/environment.ts';
import type { AuditListOptions, AuditVerifyOptions } from './commands/audit.ts';
import type { GetOptions } from './commands/get.ts';
import type { WaitOptions } from './commands/wait.ts';
import { DEFAULT_SERVER } from './context.ts';
import { EXIT } from './errors.ts';
import { type Kind, kindArgument } from './kinds.ts';
import { addClusters } from './program-clusters.ts';
import { addGet, addReport, parseLimit } from './program-lists.ts';
import { contextOf, examples, outputOption, parseDuration } from './program-parts.ts';
import { addPeople } from './program-people.ts';
import { runCommand } from './run.ts';

/**
 * Every command loads what it needs when it runs: --help answers without the schemas, YAML and the hub.
 */

const EPILOGUE = `
Environment:
  FSO_SERVER  URL of the hub, as --server
  FSO_TOKEN   API token, as --token; without either, what fso login has kept for the hub
  NO_COLOR    no colours, as --no-color; they are also off when the output is not a terminal

Exit codes:
  0  done
  1  the answer is no: invalid files, nothing of that name, not allowed as it stands,
     not reached in time
  2  could not ask: wrong usage, no hub, no access, an unreadable folder`;

const parseRevision = (text: string): string => {
  if (text === 'HEAD' || /^[0-9a-f]{4,64}$/.test(text)) return text;
  throw new InvalidArgumentError('Must be HEAD or at least the first 4 characters of a commit id, in lower case.');
};

const addServe = (program: Command, settings: string): void => {
  program
    .command('serve')
    .description('run the hub in the foreground; its settings are environment variables')
    .addHelpText('after', settings === '' ? '' : `\nEnvironment:\n${settings}`)
    .action(async () => {
      const { serve } = await import('./commands/serve.ts');
      await serve();
    });
};

const addValidate = (program: Command): void => {
  program
    .command('validate')
    .description('check a folder of policies as the hub would check a commit of it; needs no hub')
    .argument('<dir>', 'root of the policy repository')
    .addOption(new Option('-o, --output <format>', 'how to show it').choices(['text', 'json']).default('text'))
    .addHelpText(
      'after',
      `\nProblems are written to stdout as path:line:column: reason.\n${examples('validate .', 'validate ../policies -o json')}`,
    )
    .action((dir: string, options: { output: 'text' | 'json' }, command: Command) => {
      const context = contextOf(command);
      return runCommand(context, async () => (await import('./commands/validate.ts')).validate(context, dir, options));
    });
};

const addStatus = (program: Command): void => {
  program
    .command('status')
    .description('the repository and the fleet in numbers')
    .addOption(outputOption())
    .action((options: Pick<GetOptions, 'output'>, command: Command) => {
      const context = contextOf(command);
      return runCommand(context, async () => (await import('./commands/status.ts')).status(context, options));
    });
};

const parseSequence = (text: string): number => {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('Must be the number of an entry.');
};

const parseKey = (text: string): string => {
  if (/^[\w-]{43}$/.test(text)) return text;
  throw new InvalidArgumentError('Must be an Ed25519 public key as the hub shows it.');
};

const addAuditVerify = (audit: Command): void => {
  audit
    .command('verify')
    .description('compute every hash of the log anew, and compare with the checkpoints of the hub and of the agents')
    .argument('[file]', 'an export (jsonl) instead of the log of the hub')
    .addOption(new Option('--key <key>', 'public key that the checkpoints must be signed with').argParser(parseKey))
    .addOption(new Option('-o, --output <format>', 'how to show it').choices(['text', 'json']).default('text'))
    .addHelpText(
      'after',
      `\nExits with 1 when the log was changed, cut, reordered or forked.\n${examples('audit verify', 'audit verify audit.jsonl')}`,
    )
    .action((file: string | undefined, options: AuditVerifyOptions, command: Command) => {
      const context = contextOf(command);
      return runCommand(context, async () => (await import('./commands/audit.ts')).verifyAuditLog(context, file, options));
    });
};

const addAudit = (program: Command): void => {
  const audit = program.command('audit').description('the audit log: who did what, in an order that cannot be changed unseen');
  audit
    .command('list')
    .description('the newest entries')
    .addOption(outputOption())
    .option('--action <action>', 'of this kind, such as revision.accept')
    .option('--actor <id>', 'by this one')
    .option('--subject <name>', 'about this')
    .option('--limit <number>', 'at most so many (100 if not given)', parseLimit)
    .action((options: AuditListOptions, command: Command) => {
      const context = contextOf(command);
      return runCommand(context, async () => (await import('./commands/audit.ts')).listAudit(context, options));
    });
  addAuditVerify(audit);
  audit
    .command('export')
    .description('the whole log for other programs, one entry a line, oldest first')
    .addOption(
      new Option('--format <format>', 'JSON Lines, CSV, or events of the Open Cybersecurity Schema Framework 1.3.0')
        .choices(['jsonl', 'csv', 'ocsf'])
        .default('jsonl'),
    )
    .addOption(new Option('--after <sequence>', 'only entries behind this one').argParser(parseSequence))
    .action((options: { format: ExportFormat; after?: number }, command: Command) => {
      const context = contextOf(command);
      return runCommand(context, async () => (await import('./commands/audit.ts')).exportAudit(context, options));
    });
};

const LEDGER_ENVIRONMENT = `
The ledger is the one of the hub: DATABASE_URL (or DATABASE_URL_FILE), else the folder ledger in FSO_DATA_DIR (.fso/hub), while no hub runs on it.`;

const addBackup = (program: Command): void => {
  program
    .command('backup')
    .description('write the ledger, with its audit log, into one file; with or without a running hub')
    .argument('<file>', 'where to')
    .option('--force', 'replace the file where it is there already')
    .addHelpText(
      'after',
      `${LEDGER_ENVIRONMENT}\nThe audit key of the hub signs the file: FSO_AUDIT_KEY_FILE, else audit-key.pem in FSO_DATA_DIR.\n${examples('backup ledger.jsonl.gz')}`,
    )
    .action((file: string, { force = false }: { force?: boolean }, command: Command) => {
      const context = contextOf(command);
      return runCommand(context, async () => (await import('./commands/backup.ts')).backup(context, hubEnvironment(), { file, force }));
    });
  program
    .command('restore')
    .description('fill an empty ledger from a backup, and verify its audit log; needs no hub')
    .argument('<file>', 'the backup')
    .addHelpText('after', `${LEDGER_ENVIRONMENT}\n${examples('restore ledger.jsonl.gz')}`)
    .action((file: string, _options: object, command: Command) => {
      const context = contextOf(command);
      return runCommand(context, async () => (await import('./commands/backup.ts')).restore(context, file, hubEnvironment()));
    });
};

const addDescribe = (program: Command): void => {
  program
    .command('describe')
    .description('one policy, cluster or commit in full')
    .addArgument(kindArgument('what it is', ['policies', 'clusters', 'commits']))
    .argument('<name>', 'name; a policy also as namespace/name, a commit by its id or the beginning of it')
    .addOption(outputOption())
    .addHelpText('after', examples('describe policy finance-eu', 'describe cluster us -o yaml'))
    .action((kind: Kind, name: string, options: Pick<GetOptions, 'output'>, command: Command) => {
      const context = contextOf(command);
      return runCommand(context, async () => {
        if (kind === 'commits') return (await import('./commands/get.ts')).get(context, kind, name, options);
        const { describeCluster, describePolicy } = await import('./commands/describe.ts');
        return (kind === 'policies' ? describePolicy : describeCluster)(context, name, options);
      });
    });
};

const addWait = (program: Command): void => {
  program
    .command('wait')
    .description('wait until the clusters have a revision')
    .option('--revision <commit>', 'commit id, the beginning of one, or HEAD: what the hub has in force', parseRevision, 'HEAD')
    .addOption(
      new Option('--for <goal>', 'accepted: the agent has taken it; proven: the locks enforce every policy of it')
        .choices(['proven', 'accepted'])
        .default('proven'),
    )
    .option('--cluster <name>', 'only this cluster; else every registered one')
    .addOption(new Option('--timeout <duration>', 'how long').argParser(parseDuration).default(60_000, '60s'))
    .addHelpText(
      'after',
      examples('wait --revision "$(git rev-parse HEAD)"', 'wait --revision 1f3a9c --for accepted --cluster eu --timeout 10s'),
    )
    .action(({ timeout, ...options }: Omit<WaitOptions, 'timeoutMs'> & { timeout: number }, command: Command) => {
      const context = contextOf(command);
      return runCommand(context, async () => (await import('./commands/wait.ts')).wait(context, { ...options, timeoutMs: timeout }));
    });
};

const withSubcommands = (command: Command): Command[] => [command, ...command.commands.flatMap(withSubcommands)];

/** @param settings of the hub, as the help of `serve` prints them; they cost loading the hub */
export const createProgram = (settings = ''): Command => {
  const program = new Command('fso')
    .description('Federated Sovereignty Operator: where the workloads of many clusters may run, from Git.')
    .version(manifest.version)
    .option('--server <url>', `URL of the hub (default: ${DEFAULT_SERVER})`)
    .option('--token <token>', 'API token; visible to others of this machine, so better --token-file or FSO_TOKEN')
    .option('--token-file <file>', 'file with the API token')
    .option('--no-color', 'no colours')
    .showHelpAfterError('(add --help for the options)')
    .addHelpText('after', `${EPILOGUE}\n${examples('validate .', 'get policies -o wide', 'wait --revision "$(git rev-parse HEAD)"')}`);
  addServe(program, settings);
  for (const add of [addValidate, addStatus, addGet, addDescribe, addReport, addWait, addClusters, ...addPeople, addAudit, addBackup])
    add(program);
  // Wrong usage ends like every other question that could not be asked.
  const exit = (error: { exitCode: number }): never => process.exit(error.exitCode === 0 ? EXIT.ok : EXIT.usage);
  for (const command of withSubcommands(program)) command.exitOverride(exit);
  return program;
};
