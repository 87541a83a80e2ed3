import type { Environment, ProblemTexts, Secrets } from '@fso/shared/runtime';
import { z } from 'zod';
import type { AuthCommand, GitCredentials } from '../source/index.ts';

/** Address of the repository, with credentials. */
export interface GitAccess {
  /** URL of the repository, without credentials. */
  readonly url: string;
  readonly credentials: GitCredentials | undefined;
  readonly authCommand: AuthCommand | undefined;
  /** URL of a commit's page, with `{revision}` for its id; undefined: unknown. */
  readonly commitUrl: string | undefined;
}

const GitUrl = z.string().refine((text) => {
  const url = URL.parse(text);
  return (url?.protocol === 'http:' || url?.protocol === 'https:') && url.search === '' && url.hash === '';
}, 'must be an http:// or https:// URL of a repository');

const COMMAND_FORM = 'must be a program with its arguments: a JSON array of texts, or words separated by spaces (no quotes, no shell)';

const words = (text: string): unknown => (text.startsWith('[') ? JSON.parse(text) : text.split(/\s+/));

const Command = z.string().transform((text, context): readonly string[] => {
  try {
    return z.array(z.string().min(1)).min(1).parse(words(text.trim()));
  } catch {
    context.addIssue({ code: 'custom', message: COMMAND_FORM });
    return z.NEVER;
  }
});

const REVISION = '{revision}';

const isWebUrl = (text: string): boolean => ['http:', 'https:'].includes(URL.parse(text)?.protocol ?? '');
const CommitUrl = z
  .string()
  .max(1024)
  .refine(isWebUrl, 'must be an http:// or https:// URL')
  .refine((text) => text.split(REVISION).length === 2, `must hold ${REVISION} once, where the id of the commit stands`)
  .refine((text) => URL.parse(text)?.username === '' && URL.parse(text)?.password === '', 'must have no credentials: everybody sees it')
  // A commit id in the host would lead to arbitrary hosts.
  .refine((text) => URL.parse(text)?.host.includes('{') === false, `must hold ${REVISION} in its path, query or fragment`);

/** Path under which hosting services show a commit, by host. */
const COMMIT_PAGES: Readonly<Record<string, string>> = { 'github.com': '/commit/', 'gitlab.com': '/-/commit/' };

/**
 * Returns the URL template of a commit's page; undefined: the host is unknown.
 *
 * @param url without credentials
 */
export const commitUrlOf = (url: string): string | undefined => {
  const { hostname, pathname } = new URL(url);
  const page = COMMIT_PAGES[hostname.replace(/^www\./, '')];
  return page === undefined ? undefined : `https://${hostname}${pathname.replace(/\/+$/, '').replace(/\.git$/, '')}${page}${REVISION}`;
};

const Password = z.string().min(1).max(4096).optional();

/** Environment variables of the repository. */
export const GIT_VARIABLES = {
  FSO_GIT_URL: GitUrl.meta({ description: 'http(s) URL of the policy repository. Credentials in it are used and never shown.' }),
  FSO_GIT_REF: z.string().min(1).max(255).default('main').meta({ description: 'Branch, tag or ref.' }),
  FSO_GIT_POLL_MS: z.coerce.number().int().min(100).max(86_400_000).default(30_000).meta({
    description: 'Time between fetches, in ms, 100 to a day. A webhook makes the hub fetch at once.',
  }),
  FSO_GIT_TOKEN: Password.meta({ description: 'Token for the repository.', secret: true }),
  FSO_GIT_USERNAME: z
    .string()
    .min(1)
    .max(255)
    .regex(/^[^:]*$/, 'must have no colon')
    .optional()
    .meta({ description: 'User name that goes with the password or the token.', fallback: 'git' }),
  FSO_GIT_PASSWORD: Password.meta({ description: 'Password, instead of a token.', secret: true }),
  FSO_GIT_AUTH_COMMAND: Command.optional().meta({
    description: 'Program that prints credentials, instead of a token. It runs without a shell: words, or a JSON array.',
  }),
  FSO_GIT_COMMIT_URL: CommitUrl.optional().meta({
    description: 'Web page of a commit, for links: an http or https URL with {revision} in the place of its id.',
    fallback: 'known for github.com and gitlab.com',
  }),
};
const Variables = z.object(GIT_VARIABLES);
type Variables = z.infer<typeof Variables>;

/**
 * Checks that there is at most one kind of credentials, because it would be unclear which one
 * applies.
 */
const checkWays = (variables: Variables, inUrl: boolean, problems: ProblemTexts): void => {
  const ways = (['FSO_GIT_TOKEN', 'FSO_GIT_PASSWORD', 'FSO_GIT_AUTH_COMMAND'] as const).filter((name) => variables[name] !== undefined);
  if (ways.length > 1) problems.push(`${ways.join(', ')}: only one of them may be set`);
  if (ways.length > 0 && inUrl) problems.push(`FSO_GIT_URL: has a password, but ${ways[0]} is set too`);
  if (variables.FSO_GIT_USERNAME !== undefined && variables.FSO_GIT_AUTH_COMMAND !== undefined)
    problems.push('FSO_GIT_USERNAME: is set, but FSO_GIT_AUTH_COMMAND says everything');
  if (variables.FSO_GIT_USERNAME !== undefined && ways.length === 0)
    problems.push('FSO_GIT_USERNAME: is set, but neither FSO_GIT_PASSWORD nor FSO_GIT_TOKEN');
};

/**
 * Returns the environment of the command: that of the hub without the hub's settings, some of which
 * are secrets.
 */
const environmentFor = (env: Environment): Readonly<Record<string, string>> =>
  Object.fromEntries(
    Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined && !entry[0].startsWith('FSO_')),
  );

/**
 * Reads the credentials: in the URL, user and password, a token (hosting services accept any user
 * name with it), or a command that prints them.
 */
export const readGitAccess = (variables: Variables, env: Environment, secrets: Secrets, problems: ProblemTexts): GitAccess => {
  const url = new URL(variables.FSO_GIT_URL);
  const inUrl = { username: decodeURIComponent(url.username), password: decodeURIComponent(url.password) };
  url.username = '';
  url.password = '';
  checkWays(variables, inUrl.password !== '', problems);
  const place = { url: url.href, commitUrl: variables.FSO_GIT_COMMIT_URL ?? commitUrlOf(url.href) };
  const argv = variables.FSO_GIT_AUTH_COMMAND;
  if (argv !== undefined) return { ...place, credentials: undefined, authCommand: { argv, env: environmentFor(env) } };
  const password = secrets.get('FSO_GIT_TOKEN') ?? secrets.get('FSO_GIT_PASSWORD') ?? inUrl.password;
  const username = variables.FSO_GIT_USERNAME ?? inUrl.username;
  if (password === '' && username === '') return { ...place, credentials: undefined, authCommand: undefined };
  return { ...place, credentials: { username: username || 'git', password }, authCommand: undefined };
};
