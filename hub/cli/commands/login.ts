import { CLI_SESSION, type SessionView } from '@fso/shared/api';
import type { Context } from '../context.ts';
import { CliError } from '../errors.ts';
import { type Format, writeData } from '../render/output.ts';
import { renderFacts } from '../render/table.ts';
import { age } from '../render/text.ts';

/** A session that a login in the browser gave, not a token that somebody made. */
const isLogin = (token: string): boolean => token.startsWith(CLI_SESSION);

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

const tokenFor = async (context: Context, withToken: boolean): Promise<string> => {
  const given = context.givenToken();
  if (given !== undefined) return given;
  if (withToken) return readStdin();
  const { browserLogin } = await import('./browser-login.ts');
  return browserLogin(context);
};

/** `fso login`: keeps a token for the hub, once the hub has said that it is good. */
export const login = async (context: Context, { withToken }: { withToken?: boolean }): Promise<void> => {
  const token = await tokenFor(context, withToken === true);
  const session = await (await context.connect(token)).session();
  context.credentials.set(context.server, token);
  context.progress(`Logged in to ${context.server} as ${describe(session)}; the token is kept in ${context.credentials.path}\n`);
};

/** `fso logout`: forgets the token; a login ends at the hub too, a token stays good until it is revoked. */
export const logout = async (context: Context): Promise<void> => {
  const token = context.credentials.get(context.server);
  if (token === undefined) return context.progress(`No token was kept for ${context.server}\n`);
  context.credentials.remove(context.server);
  context.progress(`Forgot the token for ${context.server}\n`);
  if (isLogin(token)) await (await context.connect(token)).logout();
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
