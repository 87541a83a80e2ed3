import { join, resolve } from 'node:path';
import {
  Address,
  ConfigError,
  type Environment,
  isLoopback,
  type ListenAddress,
  type LogLevel,
  type Problems,
  parseConfig,
  readSecrets,
} from '@fso/shared/runtime';
import { z } from 'zod';
import { readTls, readTokens, type TlsFiles } from './config-files.ts';
import type { DatabaseConfig, HistoryLimits } from './ledger/index.ts';
import type { GitCredentials } from './source/index.ts';

export interface HubConfig {
  readonly git: {
    readonly url: string;
    readonly ref: string;
    readonly pollMs: number;
    readonly credentials: GitCredentials | undefined;
  };
  readonly listen: ListenAddress;
  readonly agentListen: ListenAddress;
  readonly agentTls: TlsFiles | undefined;
  /** By cluster. */
  readonly agentTokens: ReadonlyMap<string, string>;
  readonly apiToken: string | undefined;
  readonly webhookSecret: string | undefined;
  readonly dataDir: string;
  readonly database: DatabaseConfig;
  readonly history: HistoryLimits;
  /** File with the private key that signs the checkpoints of the audit log; made where there is none. */
  readonly auditKeyFile: string;
  readonly logLevel: LogLevel;
}

const MIN_SECRET_LENGTH = 16;
const Secret = z.string().min(MIN_SECRET_LENGTH, `must have at least ${MIN_SECRET_LENGTH} characters`).max(512).optional();
const File = z.string().min(1).optional();

const GitUrl = z.string().refine((text) => {
  const url = URL.parse(text);
  return (url?.protocol === 'http:' || url?.protocol === 'https:') && url.search === '' && url.hash === '';
}, 'must be an http:// or https:// URL of a repository');

/** Its parts are not said in an error: one of them is a password. */
const DatabaseUrl = z
  .string()
  .refine((text) => ['postgres:', 'postgresql:'].includes(URL.parse(text)?.protocol ?? ''), 'must be a postgresql:// URL')
  .optional();

const Variables = z.object({
  FSO_GIT_URL: GitUrl,
  FSO_GIT_REF: z.string().min(1).max(255).default('main'),
  FSO_GIT_POLL_MS: z.coerce.number().int().min(100).max(86_400_000).default(30_000),
  FSO_GIT_TOKEN: z.string().min(1).max(4096).optional(),
  FSO_LISTEN: Address.prefault('127.0.0.1:8080'),
  FSO_AGENT_LISTEN: Address.prefault('127.0.0.1:8443'),
  FSO_AGENT_TOKENS_FILE: z.string().min(1),
  FSO_AGENT_TLS_CERT_FILE: File,
  FSO_AGENT_TLS_KEY_FILE: File,
  FSO_API_TOKEN: Secret,
  FSO_WEBHOOK_SECRET: Secret,
  FSO_DATA_DIR: z.string().min(1).default('.fso/hub'),
  DATABASE_URL: DatabaseUrl,
  FSO_HISTORY_DAYS: z.coerce.number().int().min(1).max(36_500).default(400),
  FSO_HISTORY_EVENTS: z.coerce.number().int().min(1000).max(100_000_000).default(1_000_000),
  FSO_AUDIT_KEY_FILE: File,
  FSO_LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']).default('info'),
});
type Variables = z.infer<typeof Variables>;

const SECRETS = ['FSO_GIT_TOKEN', 'FSO_API_TOKEN', 'FSO_WEBHOOK_SECRET', 'DATABASE_URL'];

/** Credentials in the URL, or the token; hosting services take any user name with a token. */
const gitAccess = ({ FSO_GIT_URL, FSO_GIT_TOKEN }: Variables): { url: string; credentials: GitCredentials | undefined } => {
  const url = new URL(FSO_GIT_URL);
  const inUrl = { username: decodeURIComponent(url.username), password: decodeURIComponent(url.password) };
  url.username = '';
  url.password = '';
  if (FSO_GIT_TOKEN !== undefined) return { url: url.href, credentials: { username: inUrl.username || 'git', password: FSO_GIT_TOKEN } };
  return { url: url.href, credentials: inUrl.username || inUrl.password ? inUrl : undefined };
};

/** What other machines can reach must not be open to them. */
const checkExposure = (variables: Variables, problems: Problems): void => {
  const { FSO_LISTEN: listen, FSO_AGENT_LISTEN: agents } = variables;
  if (!isLoopback(listen.host) && variables.FSO_API_TOKEN === undefined)
    problems.push(`FSO_API_TOKEN: is not set, but FSO_LISTEN=${listen.host}:${listen.port} can be reached from other machines`);
  if (!isLoopback(agents.host) && variables.FSO_AGENT_TLS_CERT_FILE === undefined)
    problems.push(
      `FSO_AGENT_TLS_CERT_FILE: is not set, but at FSO_AGENT_LISTEN=${agents.host}:${agents.port} tokens would come in the clear`,
    );
};

/** A server where one is given, else the database that is embedded in the hub. */
const databaseOf = ({ DATABASE_URL: url, FSO_DATA_DIR: dataDir }: Pick<Variables, 'DATABASE_URL' | 'FSO_DATA_DIR'>): DatabaseConfig =>
  url === undefined ? { folder: join(resolve(dataDir), 'ledger') } : { url };

/**
 * Reads the hub's configuration from the environment and the files that it names.
 *
 * @throws ConfigError with every problem; no secret is quoted
 */
export const loadHubConfig = async (env: Environment): Promise<HubConfig> => {
  const problems: Problems = [];
  const secrets = await readSecrets(env, SECRETS, problems);
  const variables = parseConfig(Variables, { ...env, ...secrets }, problems);
  checkExposure(variables, problems);
  const { FSO_AGENT_TLS_CERT_FILE: cert, FSO_AGENT_TLS_KEY_FILE: key } = variables;
  const agentTokens = await readTokens('FSO_AGENT_TOKENS_FILE', variables.FSO_AGENT_TOKENS_FILE, problems);
  const agentTls = await readTls({ ...(cert && { cert }), ...(key && { key }) }, problems);
  if (problems.length > 0) throw new ConfigError(problems);
  return {
    git: { ...gitAccess(variables), ref: variables.FSO_GIT_REF, pollMs: variables.FSO_GIT_POLL_MS },
    listen: variables.FSO_LISTEN,
    agentListen: variables.FSO_AGENT_LISTEN,
    agentTls,
    agentTokens,
    apiToken: variables.FSO_API_TOKEN,
    webhookSecret: variables.FSO_WEBHOOK_SECRET,
    dataDir: resolve(variables.FSO_DATA_DIR),
    database: databaseOf(variables),
    history: { days: variables.FSO_HISTORY_DAYS, events: variables.FSO_HISTORY_EVENTS },
    auditKeyFile: resolve(variables.FSO_AUDIT_KEY_FILE ?? join(variables.FSO_DATA_DIR, 'audit-key.pem')),
    logLevel: variables.FSO_LOG_LEVEL,
  };
};

/** Where the ledger is, for commands that work on it without a hub. @throws ConfigError */
export const loadDatabaseConfig = async (env: Environment): Promise<DatabaseConfig> => {
  const problems: Problems = [];
  const secrets = await readSecrets(env, ['DATABASE_URL'], problems);
  const variables = parseConfig(Variables.pick({ DATABASE_URL: true, FSO_DATA_DIR: true }), { ...env, ...secrets }, problems);
  if (problems.length > 0) throw new ConfigError(problems);
  return databaseOf(variables);
};
