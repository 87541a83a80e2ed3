import type { Command } from 'commander';
import type { Context } from '../context.ts';
import { addBackup } from './backup-command.ts';
import { action, examples, parseName } from './options.ts';

/**
 * Commands that run the hub, or work on its database without it. They read the settings of the hub.
 */

const addServe = (program: Command, settings: string): void => {
  program
    .command('serve')
    .description('run the hub in the foreground; its settings are environment variables')
    .addHelpText('after', settings === '' ? '' : `\nEnvironment:\n${settings}`)
    .action(
      action(async () => {
        const [{ shutdownSignal }, { runHub }] = await Promise.all([import('@fso/shared/runtime'), import('../../program.ts')]);
        return ({ io }: Context) => runHub(io.env, shutdownSignal());
      }),
    );
};

const LEDGER_ENVIRONMENT = `
The ledger is the one of the hub: DATABASE_URL (or DATABASE_URL_FILE), else the folder ledger in FSO_DATA_DIR (.fso/hub).`;
const WITHOUT_HUB = `${LEDGER_ENVIRONMENT} No hub may run on that folder meanwhile.`;

const loadLedger = () => import('../commands/ledger/ledger.ts');

const addRestore = (program: Command): void => {
  program
    .command('restore')
    .description('fill an empty ledger from a backup, and verify its audit log; needs no hub')
    .argument('<file>', 'the backup')
    .option('--replace', 'move the embedded ledger that is there out of the way first', false)
    .addHelpText('after', `${WITHOUT_HUB}\n${examples('restore ledger.jsonl.gz')}`)
    .action(action(async () => (await loadLedger()).restore));
};

const addLedger = (program: Command): void => {
  program
    .command('ledger')
    .description('mend the ledger while no hub runs on it')
    .command('forget')
    .description('remove all data of a cluster from the ledger, however much it is; for a hub that does not start')
    .argument('<cluster>', 'name of the cluster', parseName)
    .option('--yes', 'confirm', false)
    .addHelpText(
      'after',
      `${WITHOUT_HUB}
It is refused while a hub has the ledger open: fso clusters forget asks that hub. Whether the cluster is registered in Git is not looked at.
The audit log gets an entry, signed by the key in FSO_AUDIT_KEY_FILE (audit-key.pem in FSO_DATA_DIR) if that is the one of the hub.
${examples('ledger forget eu --yes')}`,
    )
    .action(action(async () => (await loadLedger()).forgetInLedger));
};

const loadKeys = () => import('../keys.ts');

const addKeys = (program: Command): void => {
  const keys = program.command('keys').description('the CA of the agents and the key of the audit log, as a Secret of Kubernetes');
  const namespaceOption = '-n, --namespace <namespace>';
  keys
    .command('show')
    .description('print the keys of the hub on this machine, for a backup, or for several hubs')
    .argument('<name>', 'name of the Secret', parseName)
    .option(namespaceOption, 'namespace of the Secret')
    .addHelpText(
      'after',
      `
They are private keys. The hub's settings say where they are: FSO_KEYS_DIR, FSO_AGENT_CA_CERT_FILE, FSO_AGENT_CA_KEY_FILE and
FSO_AUDIT_KEY_FILE, else FSO_DATA_DIR.
${examples('keys show fso-hub-keys --namespace fso > keys.yaml')}`,
    )
    .action(action(async () => (await loadKeys()).showKeys));
  keys
    .command('create')
    .description('make new keys as a Secret in the cluster of KUBECONFIG, unless there is one; the chart does it for several hubs')
    .argument('<name>', 'name of the Secret', parseName)
    .option(namespaceOption, 'namespace of the Secret; default: that of the pod')
    .addHelpText('after', examples('keys create fso-keys --namespace fso'))
    .action(action(async () => (await loadKeys()).createKeys));
};

/**
 * Adds the commands that run a hub or open its database.
 *
 * @param settings help text of the hub's settings
 */
export const addHubCommands = (program: Command, settings: string): void => {
  addServe(program, settings);
  addBackup(program, {
    description: 'write the ledger, with its audit log, into one file; with or without a running hub',
    help: `${LEDGER_ENVIRONMENT}\n${examples('backup ledger.jsonl.gz', 'backup --from-hub --keep 14 /backup')}`,
    load: async () => (await loadLedger()).backup,
  });
  addRestore(program);
  addLedger(program);
  addKeys(program);
};
