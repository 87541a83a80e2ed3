import { type Command, InvalidArgumentError, Option } from 'commander';
import { action, examples, outputOption, parseLimit, textOrJsonOption } from './options.ts';

/** Commands about the audit log. Each loads its code when it runs. */

const parseSequence = (text: string): number => {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('Must be the number of an entry.');
};

const parseKey = (text: string): string => {
  if (/^[\w-]{43}$/.test(text)) return text;
  throw new InvalidArgumentError('Must be an Ed25519 public key as the hub shows it.');
};

const loadAudit = () => import('../commands/audit.ts');

/** Adds `fso audit` with its commands to the program. */
export const addAudit = (program: Command): void => {
  const audit = program.command('audit').description('read and verify the audit log, which cannot be changed unseen');
  audit
    .command('list')
    .description('list the newest entries')
    .addOption(outputOption())
    .option('--action <action>', 'with this action, such as revision.accept')
    .option('--actor <id>', 'by this actor')
    .option('--subject <name>', 'about this subject')
    .option('--limit <number>', 'maximum number (default 100)', parseLimit)
    .action(action(async () => (await loadAudit()).listAudit));
  audit
    .command('verify')
    .description('compute every hash of the log, and compare with the checkpoints of the hub and of the agents')
    .argument('[file]', 'an export (jsonl) instead of the log of the hub')
    .addOption(new Option('--key <key>', 'public key that must have signed the checkpoints').argParser(parseKey))
    .addOption(textOrJsonOption())
    .addHelpText(
      'after',
      `\nExits with 1 when the log was changed, cut, reordered or forked.\n${examples('audit verify', 'audit verify audit.jsonl')}`,
    )
    .action(action(async () => (await loadAudit()).verifyAuditLog));
  audit
    .command('export')
    .description('write the whole log for other programs, one entry a line, oldest first')
    .addOption(
      new Option('--format <format>', 'JSON Lines, CSV, or events of the Open Cybersecurity Schema Framework 1.3.0')
        .choices(['jsonl', 'csv', 'ocsf'])
        .default('jsonl'),
    )
    .addOption(new Option('--after <sequence>', 'only entries after this one').argParser(parseSequence))
    .action(action(async () => (await loadAudit()).exportAudit));
};
