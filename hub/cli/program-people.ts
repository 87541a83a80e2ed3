import { type Command, InvalidArgumentError, Option } from 'commander';
import type { Context } from './context.ts';
import { contextOf, examples, outputOption } from './program-parts.ts';
import type { Format } from './render/output.ts';
import { runCommand } from './run.ts';

/** The commands about who may do what. Each loads what it needs when it runs. */

type Output = { readonly output: Format };

const parseDays = (text: string): number => {
  const days = Number(/^(\d{1,3})d?$/.exec(text)?.[1]);
  if (days >= 1 && days <= 400) return days;
  throw new InvalidArgumentError('Must be 1d to 400d.');
};

const run = (command: Command, action: (context: Context) => Promise<void>): Promise<void> => {
  const context = contextOf(command);
  return runCommand(context, () => action(context));
};

const addLogin = (program: Command): void => {
  program
    .command('login')
    .description('log in with the browser, or keep a token, for all calls to this hub to come')
    .option('--with-token', 'read the token from standard input')
    .addHelpText('after', examples('login', 'login --with-token < token', 'login --server https://fso.example.com --token-file ci-token'))
    .action((options: { withToken?: boolean }, command: Command) =>
      run(command, async (context) => (await import('./commands/login.ts')).login(context, options)),
    );
  program
    .command('logout')
    .description('end the login, or forget the token, that was kept for the hub')
    .action((_options: object, command: Command) => run(command, async (context) => (await import('./commands/login.ts')).logout(context)));
  program
    .command('whoami')
    .description('as whom, and with which role, the hub takes calls')
    .addOption(outputOption())
    .action((options: Output, command: Command) =>
      run(command, async (context) => (await import('./commands/login.ts')).whoami(context, options)),
    );
};

const addTokens = (program: Command): void => {
  const tokens = program.command('tokens').description('API tokens for programs (administrators)');
  tokens
    .command('create')
    .description('make a token; it is written to standard output, this once')
    .argument('<name>', 'what it is for')
    .addOption(new Option('--role <role>', 'what it may do').choices(['viewer', 'operator', 'admin']).default('viewer'))
    .addOption(new Option('--expires <days>', 'when it ends, at most 400d').argParser(parseDays).default(90, '90d'))
    .addOption(outputOption())
    .addHelpText('after', examples('tokens create ci --role viewer --expires 30d > ci-token'))
    .action((name: string, options: Output & { role: 'viewer' | 'operator' | 'admin'; expires: number }, command: Command) =>
      run(command, async (context) => {
        const wanted = { name, role: options.role, expiresInDays: options.expires };
        await (await import('./commands/tokens.ts')).createToken(context, wanted, options);
      }),
    );
  tokens
    .command('list')
    .description('all tokens, without their secrets')
    .addOption(outputOption())
    .action((options: Output, command: Command) =>
      run(command, async (context) => (await import('./commands/tokens.ts')).listTokens(context, options)),
    );
  tokens
    .command('revoke')
    .description('end a token at once')
    .argument('<id>', 'as tokens list shows it')
    .action((id: string, _options: object, command: Command) =>
      run(command, async (context) => (await import('./commands/tokens.ts')).revokeToken(context, id)),
    );
};

const addFetch = (program: Command): void => {
  program
    .command('fetch')
    .description('have the hub read the policy repository now (operators)')
    .action((_options: object, command: Command) =>
      run(command, async (context) => (await import('./commands/tokens.ts')).fetchSource(context)),
    );
};

export const addPeople: readonly ((program: Command) => void)[] = [addLogin, addTokens, addFetch];
