import { type Command, InvalidArgumentError, Option } from 'commander';
import { podName } from '../client/environment.ts';
import type { Context } from '../context.ts';
import { action, examples, outputOption } from './options.ts';

/** Commands about people, tokens and the repository. Each loads its code when it runs. */

const parseDays = (text: string): number => {
  const days = Number(/^(\d{1,3})d?$/.exec(text)?.[1]);
  if (days >= 1 && days <= 400) return days;
  throw new InvalidArgumentError('Must be 1d to 400d.');
};

const load = () => import('../commands/access.ts');

const addLogin = (program: Command): void => {
  program
    .command('login')
    .description('sign in with the browser, or store a token, for later calls to this hub')
    .option('--with-token', 'read the token from standard input')
    .addHelpText('after', examples('login', 'login --with-token < token', 'login --server https://fso.example.com --token-file ci-token'))
    .action(action(async () => (await load()).login));
  program
    .command('logout')
    .description('end the login, or remove the token, that is stored for the hub')
    .action(action(async () => (await load()).logout));
  program
    .command('login-link')
    .description('make a link that signs a browser in to the dashboard once, within ten minutes')
    .addHelpText(
      'after',
      `
Anyone who opens it has the role and scope of the token that made it: at the hub, as in its pod, the hub's own static token.
${examples('login-link')}  $ kubectl -n fso exec fso-hub-0 -- fso login-link
`,
    )
    .action(
      action(async () => {
        const { loginLink } = await load();
        return (context: Context) => loginLink(context, podName(context.io.env));
      }),
    );
  program
    .command('whoami')
    .description('show the name, the role and the scope under which the hub accepts calls')
    .addOption(outputOption())
    .action(action(async () => (await load()).whoami));
};

const addTokens = (program: Command): void => {
  const tokens = program.command('tokens').description('manage API tokens for programs (administrators)');
  tokens
    .command('create')
    .description('create a token and write it to standard output, this once')
    .argument('<name>', 'its purpose')
    .addOption(new Option('--role <role>', 'its role').choices(['viewer', 'operator', 'admin']).default('viewer'))
    .addOption(new Option('--clusters <selector>', 'YAML: the clusters that it is for; default: every cluster'))
    .addOption(new Option('--policies <selector>', 'YAML: the policies that it is for; default: every policy'))
    .addOption(new Option('--expires <days>', 'its lifetime, at most 400d').argParser(parseDays).default(90, '90d'))
    .addOption(outputOption())
    .addHelpText(
      'after',
      `\nFields of the selectors are those of FSO_ROLES_FILE: clusterNames, clusterRegions, clusterSelector; policyNames, targetNamespaces, policySelector.\n${examples(
        'tokens create ci --role viewer --expires 30d > ci-token',
        "tokens create eu-board --clusters '{clusterRegions: [group:eu]}' --policies '{targetNamespaces: [finance-*]}'",
      )}`,
    )
    .action(action(async () => (await load()).createToken));
  tokens
    .command('list')
    .description('list all tokens, without their secrets')
    .addOption(outputOption())
    .action(action(async () => (await load()).listTokens));
  tokens
    .command('revoke')
    .description('revoke a token at once')
    .argument('<id>', 'id, as tokens list shows it')
    .action(action(async () => (await load()).revokeToken));
};

const addFetch = (program: Command): void => {
  program
    .command('fetch')
    .description('make the hub read the policy repository now (operators)')
    .action(action(async () => (await load()).fetchSource));
};

/** Adds the commands for logins, API tokens and `fso fetch` to the program. */
export const accessCommands: readonly ((program: Command) => void)[] = [addLogin, addTokens, addFetch];
