import { CLI_SESSION, type SessionView, type TokenRequest } from '@fso/shared/api';
import type { Context } from '../context.ts';
import { CliError } from '../errors.ts';
import { tokenColumns } from '../render/columns.ts';
import { type Format, renderFacts, writeData, writeRows } from '../render/output.ts';
import { age } from '../render/text.ts';

/** Whether a token is a session from a login in the browser, not an API token. */
const isLogin = (token: string): boolean => token.startsWith(CLI_SESSION);

const MAX_TOKEN_LENGTH = 16_384;

const readStdin = async (): Promise<string> => {
  let text = '';
  for await (const chunk of process.stdin) {
    text += String(chunk);
    if (text.length > MAX_TOKEN_LENGTH) throw new CliError('the text on standard input is too long for a token');
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

/** `fso login`: stores a token for the hub once the hub accepts it. */
export const login = async (context: Context, { withToken }: { withToken?: boolean }): Promise<void> => {
  const token = await tokenFor(context, withToken === true);
  const session = await (await context.connect(token)).session();
  context.credentials.set(context.server, token);
  context.progress(`Logged in to ${context.server} as ${describe(session)}; the token is stored in ${context.credentials.path}\n`);
};

/** `fso logout`: removes the stored token; a login also ends at the hub, an API token stays valid until it is revoked. */
export const logout = async (context: Context): Promise<void> => {
  const token = context.credentials.get(context.server);
  if (token === undefined) return context.progress(`No token is stored for ${context.server}\n`);
  context.credentials.remove(context.server);
  context.progress(`Removed the token for ${context.server}\n`);
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

/** `fso tokens create`: the token alone on standard output, for `$(…)` and pipes. */
export const createToken = async (context: Context, wanted: TokenRequest, { output }: { output: Format }): Promise<void> => {
  const created = await (await context.connect()).createToken(wanted);
  if (output === 'json' || output === 'yaml') return writeData(context, output, created);
  const { id, role, expiresAt } = created.view;
  const days = age(context.now().toISOString(), new Date(expiresAt));
  context.progress(`Token ${id}, ${role}, for ${days}. It is shown this once:\n`);
  context.out(`${created.token}\n`);
};

/** `fso tokens list` */
export const listTokens = async (context: Context, { output }: { output: Format }): Promise<void> => {
  const tokens = await (await context.connect()).tokens();
  await writeRows(context, output, tokens, tokenColumns(context.now()));
};

/** `fso tokens revoke` */
export const revokeToken = async (context: Context, id: string): Promise<void> => {
  const { name } = await (await context.connect()).revokeToken(id);
  context.progress(`Revoked ${id} (${name}); streams that it opened have ended\n`);
};

/** `fso fetch` */
export const fetchSource = async (context: Context): Promise<void> => {
  await (await context.connect()).fetchSource();
  context.progress('The hub reads the repository now; fso status shows the result\n');
};
