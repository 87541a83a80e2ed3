import { type Command, InvalidArgumentError, Option } from 'commander';
import type { InitOptions } from '../commands/repository/init.ts';
import type { ServeOptions } from '../commands/repository/serve-git.ts';
import type { Context } from '../context.ts';
import { action, examples, gather, parseName } from './options.ts';

/** Commands for starting a policy repository. Each loads its code when it runs. */

const parsePort = (text: string): number => {
  if (/^\d{1,5}$/.test(text) && Number(text) <= 65_535) return Number(text);
  throw new InvalidArgumentError('Must be 0 to 65535.');
};

const serveOptions = (): Option[] => [
  new Option('--address <address>', 'address of this machine at which clusters reach it').default('127.0.0.1'),
  new Option('--port <port>', 'port; 0: a free one').argParser(parsePort).default(9418, '9418'),
];

const TRIAL = `
It answers fetches by git itself, over HTTP without TLS, and refuses pushes: commits are made in the folder.
Everybody who reaches the address can read the repository: it is for trials, until the repository is on a Git server.`;

const loadServer = () => import('../commands/repository/serve-git.ts');

const addInit = (program: Command): void => {
  const command = program
    .command('init')
    .description('make a policy repository with examples of policies, region groups and a README; needs git, and no hub')
    .argument('<dir>', 'folder to make, or an empty one')
    .option('--cluster <name>', 'register this cluster', parseName)
    .option('--region <region>', 'region of its nodes; may be repeated', gather, [])
    .option('--label <key=value>', 'its label for placements; may be repeated', gather, [])
    .option('--signer <file>', 'your public SSH key: list it in signers/, and sign the commits')
    .option('--serve', 'then serve it to clusters, as fso serve-git');
  for (const option of serveOptions()) command.addOption(option);
  command
    .addHelpText(
      'after',
      examples(
        'init ../my-policies --cluster trial --region eu-west-1',
        'init ../my-policies --signer ~/.ssh/id_ed25519.pub',
        'init ../my-policies --cluster trial --region eu-west-1 --serve --address 172.18.0.1',
      ),
    )
    .action(
      action(async () => {
        const [{ init }, { serveGit }] = await Promise.all([import('../commands/repository/init.ts'), loadServer()]);
        return async (context: Context, dir: string, options: InitOptions & ServeOptions & { readonly serve?: boolean }): Promise<void> => {
          await init(context, dir, options);
          if (options.serve === true) return serveGit(context, dir, options);
          context.progress(`Next: push it to a Git server that clusters reach, or try it with fso serve-git ${dir}\n`);
        };
      }),
    );
};

const addServeGit = (program: Command): void => {
  const command = program
    .command('serve-git')
    .description('serve a policy repository to clusters from this machine, to read alone, for a trial; needs git, and no hub')
    .argument('<dir>', 'its working copy');
  for (const option of serveOptions()) command.addOption(option);
  command
    .addHelpText('after', `${TRIAL}\n${examples('serve-git ../my-policies --address 172.18.0.1')}`)
    .action(action(async () => (await loadServer()).serveGit));
};

/** Adds the commands that create and serve a policy repository. */
export const repositoryCommands: readonly ((program: Command) => void)[] = [addInit, addServeGit];
