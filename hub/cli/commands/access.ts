import { CLI_SESSION, ClusterScope, describeScope, isUnscoped, PolicyScopeSelector, type Role, type SessionView } from '@fso/shared/api';
import { decodeValue } from '@fso/shared/decode';
import type { z } from 'zod';
import type { Io } from '../command-line.ts';
import type { Context } from '../context.ts';
import { CliError } from '../errors.ts';
import { tokenColumns } from '../render/columns.ts';
import { type Facts, type Format, writeData, writeFacts, writeRows } from '../render/output.ts';
import { age } from '../render/text.ts';

/** Whether a token is a session from a login in the browser, as opposed to an API token. */
const isLogin = (token: string): boolean => token.startsWith(CLI_SESSION);

const MAX_TOKEN_LENGTH = 16_384;

const readStdin = async ({ stdin }: Io): Promise<string> => {
  let text = '';
  for await (const chunk of stdin) {
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
  if (withToken) return readStdin(context.io);
  const { browserLogin } = await import('./browser-login.ts');
  return browserLogin(context);
};

/** Runs `fso login`: stores a token once the hub has accepted it. */
export const login = async (context: Context, { withToken }: { withToken?: boolean }): Promise<void> => {
  const token = await tokenFor(context, withToken === true);
  const session = await (await context.connect(token)).session();
  context.credentials.set(context.server, token);
  context.progress(`Logged in to ${context.server} as ${describe(session)}; the token is stored in ${context.credentials.path}\n`);
};

/**
 * Runs `fso logout`: removes the stored token. A login also ends at the hub; an API token stays
 * valid until it is revoked.
 */
export const logout = async (context: Context): Promise<void> => {
  const token = context.credentials.get(context.server);
  if (token === undefined) return context.progress(`No token is stored for ${context.server}\n`);
  context.credentials.remove(context.server);
  context.progress(`Removed the token for ${context.server}\n`);
  if (isLogin(token)) await (await context.connect(token)).logout();
};

/** Scopes of the grants; none if the role is unscoped. */
const scopeFacts = (grants: SessionView['grants']): Facts =>
  grants.every(isUnscoped) ? [] : grants.map((grant) => ['Scope', `${grant.role} for ${describeScope(grant)}`]);

const whoFacts = ({ kind, id, name, role, grants, expiresAt }: SessionView, now: Date): Facts => [
  ['Name', name],
  ['Role', role ?? 'none: ask an administrator of the hub'],
  ...scopeFacts(grants),
  ['Kind', kind],
  ['Id', id],
  ['Ends', expiresAt === null ? 'never' : `in ${age(now.toISOString(), new Date(expiresAt))}`],
];

/**
 * Runs `fso login-link`: prints only the link on standard output.
 *
 * @param pod name of the pod in which the command runs, if any
 */
export const loginLink = async (context: Context, pod: string | undefined): Promise<void> => {
  const { code, origin, expiresAt } = await (await context.connect()).createLoginLink();
  const minutes = age(context.now().toISOString(), new Date(expiresAt));
  context.out(`${new URL('/auth/link', origin ?? context.server)}#${code}\n`);
  context.progress(`Open it in a browser: it signs in once, within ${minutes}, with the rights of the token that made it.\n`);
  if (origin !== null) return;
  context.progress(
    pod === undefined
      ? 'The hub has no FSO_PUBLIC_URL: browsers sign in on its own machine, or through a port that is forwarded to theirs.\n'
      : `Without an ingress, first:\n  kubectl -n <namespace of the hub> port-forward ${pod} 8080\n`,
  );
};

/** Runs `fso whoami`. */
export const whoami = async (context: Context, { output }: { output: Format }): Promise<void> => {
  const session = await (await context.connect()).session();
  if (output === 'json' || output === 'yaml') return writeData(context, output, session);
  writeFacts(context, [['Hub', context.server], ...whoFacts(session, context.now())]);
};

/** Options of `fso tokens create`. */
export interface TokenOptions {
  readonly role: Role;
  readonly expires: number;
  /** Cluster selector in YAML, as in the roles file. */
  readonly clusters?: string;
  readonly policies?: string;
  readonly output: Format;
}

/** Parses a selector. @throws CliError with the place of the problem in the text */
const parseSelector = <S extends z.ZodType>(schema: S, option: string, text: string | undefined): z.output<S> | undefined => {
  if (text === undefined) return undefined;
  const decoded = decodeValue(schema, { path: option, text });
  if (decoded.ok) return decoded.value;
  throw new CliError(decoded.problems.map(({ path, line, column, reason }) => `${path}:${line}:${column}: ${reason}`).join('\n'));
};

/** Runs `fso tokens create`: prints only the token on standard output, for `$(…)` and pipes. */
export const createToken = async (context: Context, name: string, options: TokenOptions): Promise<void> => {
  const clusters = parseSelector(ClusterScope, '--clusters', options.clusters);
  const policies = parseSelector(PolicyScopeSelector, '--policies', options.policies);
  const wanted = { name, role: options.role, expiresInDays: options.expires, ...(clusters && { clusters }), ...(policies && { policies }) };
  const created = await (await context.connect()).createToken(wanted);
  if (options.output === 'json' || options.output === 'yaml') return writeData(context, options.output, created);
  const { id, role, expiresAt } = created.view;
  const days = age(context.now().toISOString(), new Date(expiresAt));
  const scope = isUnscoped(created.view) ? '' : ` for ${describeScope(created.view)}`;
  context.progress(`Token ${id}, ${role}${scope}, for ${days}. It is shown this once:\n`);
  context.out(`${created.token}\n`);
};

/** Runs `fso tokens list`. */
export const listTokens = async (context: Context, { output }: { output: Format }): Promise<void> => {
  const tokens = await (await context.connect()).tokens();
  await writeRows(context, output, tokens, tokenColumns(context.now()));
};

/** Runs `fso tokens revoke`. */
export const revokeToken = async (context: Context, id: string): Promise<void> => {
  const { name } = await (await context.connect()).revokeToken(id);
  context.progress(`Revoked ${id} (${name}); streams that it opened have ended\n`);
};

/** Runs `fso fetch`. */
export const fetchSource = async (context: Context): Promise<void> => {
  await (await context.connect()).fetchSource();
  context.progress('The hub reads the repository now; fso status shows the result\n');
};
