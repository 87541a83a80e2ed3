import type { SessionView } from '@fso/shared/api';
import type { Context } from '../context.ts';
import { CliError } from '../errors.ts';
import { type Format, writeData } from '../output.ts';
import { renderFacts } from '../table.ts';
import { age } from '../text.ts';

const MAX_TOKEN_LENGTH = 16_384;

const readStdin = async (): Promise<string> => {
  let text = '';
  for await (const chunk of process.stdin) {
    text += String(chunk);
    if (text.length > MAX_TOKEN_LENGTH) throw new CliError('what stands on standard input is too long for a token');
  }
  if (text.trim() === '') throw new CliError('there is no token on standard input');
  return text.trim();
};

const describe = ({ name, role }: SessionView): string => `${name} (${role ?? 'without a role'})`;

/** `fso login`: keeps a token for the hub, once the hub has said that it is good. */
export const login = async (context: Context, { withToken }: { withToken?: boolean }): Promise<void> => {
  const token = context.givenToken() ?? (withToken === true ? await readStdin() : undefined);
  if (token === undefined)
    throw new CliError('give a token: --with-token reads it from standard input, --token-file from a file (fso tokens create makes one)');
  const session = await (await context.connect(token)).session();
  context.credentials.set(context.server, token);
  context.progress(`Logged in to ${context.server} as ${describe(session)}; the token is kept in ${context.credentials.path}\n`);
};

/** `fso logout`: forgets the token. */
export const logout = (context: Context): void => {
  const known = context.credentials.remove(context.server);
  context.progress(known ? `Forgot the token for ${context.server}\n` : `No token was kept for ${context.server}\n`);
};

const whoFacts = ({ kind, id, name, role, expiresAt }: SessionView, now: Date): [string, string][] => [
  ['Name', name],
  ['Role', role ?? 'none: ask an administrator of the hub'],
  ['Kind', kind],
  ['Id', id],
  ['Ends', expiresAt === null ? 'never' : `in ${age(now.toISOString(), new Date(expiresAt))}`],
];

/** `fso whoami` */
export const whoami = async (context: Context, { output }: { output: Format }): Promise<void> => {
  const session = await (await context.connect()).session();
  if (output === 'json' || output === 'yaml') return writeData(context, output, session);
  context.out(renderFacts([['Hub', context.server], ...whoFacts(session, context.now())], context.paint));
};
