import { type Command, InvalidArgumentError } from 'commander';
import type { BackupOptions } from '../commands/ledger/backup.ts';
import type { Context } from '../context.ts';
import { action, examples } from './options.ts';

const parseKeep = (text: string): number => {
  if (!/^[1-9]\d{0,3}$/.test(text)) throw new InvalidArgumentError('must be a number of backups, 1 to 9999');
  return Number(text);
};

interface BackupCommand {
  readonly description: string;
  readonly help: string;
  readonly load: () => Promise<(context: Context, target: string, options: BackupOptions) => Promise<void>>;
}

/** Adds `fso backup`, which differs between the hub's image and the npm package. */
export const addBackup = (program: Command, { description, help, load }: BackupCommand): void => {
  program
    .command('backup')
    .description(description)
    .argument('<file>', 'file to write')
    .option('--force', 'replace an existing file', false)
    .option('--from-hub', 'get it from the hub of --server, as an administrator, instead of the database', false)
    .option('--keep <number>', 'write into the folder <file> under the name of the moment, and remove all but so many', parseKeep)
    .addHelpText('after', help)
    .action(action(load));
};

/** Adds the `backup` of the npm package, which cannot open a database. */
export const addBackupFromHub = (program: Command): void => {
  addBackup(program, {
    description: "get the hub's ledger, with its audit log, as one file; needs --from-hub",
    help: examples('backup --from-hub ledger.jsonl.gz', 'backup --from-hub --keep 14 /backup'),
    load: async () => (await import('../commands/ledger/backup.ts')).backupFromHub,
  });
};
