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
import { readTrust, type TrustConfig, VERIFY_MODES } from '@fso/shared/trust';
import { z } from 'zod';
import type { DatabaseConfig, HistoryLimits } from '../ledger/index.ts';
import { DEFAULT_MAX_BEHIND_MS } from '../serve/index.ts';
import { ACCESS_VARIABLES, type HubAccess, readAccess } from './access.ts';
import { readCa, readPair, readTokens, type TlsFiles } from './files.ts';
import { GIT_VARIABLES, type GitAccess, readGitAccess } from './git.ts';

export interface HubConfig {
  readonly git: Partial<GitAccess> & {
    readonly url: string;
    readonly ref: string;
    readonly pollMs: number;
    /** Who may sign commits. */
    readonly trust: TrustConfig;
  };
  readonly listen: ListenAddress;
  readonly agentListen: ListenAddress;
  /** Certificate of the agents' listener; undefined: the CA of the agents issues one, or, without it, there is no TLS. */
  readonly agentTls: TlsFiles | undefined;
  /** How agents enrol; undefined: they have static tokens alone. */
  readonly identity?: { readonly ca: TlsFiles | undefined; readonly hostnames: readonly string[] } | undefined;
  /** By cluster. */
  readonly agentTokens: ReadonlyMap<string, string>;
  readonly apiToken: string | undefined;
  readonly access?: HubAccess;
  readonly webhookSecret: string | undefined;
  readonly dataDir: string;
  readonly database: DatabaseConfig;
  readonly history: HistoryLimits;
  /** File with the private key that signs the checkpoints of the audit log; made where there is none. */
  readonly auditKeyFile: string;
  /** The key may be another one than the one that signed the audit log so far. */
  readonly acceptNewAuditKey?: boolean;
  /** Files with private keys and tokens that the operator names. */
  readonly keyFiles?: readonly string[];
  /** Milliseconds: how old what is known of other hubs' revocations may be. Default 5 min. */
  readonly maxBehindMs?: number;
  /** Milliseconds between the signal to stop, from which on the hub is not ready, and the end of its listeners. Default 0. */
  readonly shutdownDelayMs?: number;
  readonly logLevel: LogLevel;
}

const MIN_SECRET_LENGTH = 16;
const Secret = z.string().min(MIN_SECRET_LENGTH, `must have at least ${MIN_SECRET_LENGTH} characters`).max(512).optional();
const File = z.string().min(1).optional();

/** Its parts are not said in an error: one of them is a password. */
const DatabaseUrl = z
  .string()
  .refine((text) => ['postgres:', 'postgresql:'].includes(URL.parse(text)?.protocol ?? ''), 'must be a postgresql:// URL')
  .optional();

/** Comma separated DNS names and IP addresses. */
const Hostnames = z
  .string()
  .max(4096)
  .transform((text) => text.split(',').map((name) => name.trim().toLowerCase()))
  .pipe(z.array(z.union([z.hostname(), z.ipv4(), z.ipv6()], { error: 'must be host names or IP addresses, separated by commas' })));

const Variables = z.object({
  ...GIT_VARIABLES,
  ...ACCESS_VARIABLES,
  FSO_GIT_REF: z.string().min(1).max(255).default('main'),
  FSO_GIT_POLL_MS: z.coerce.number().int().min(100).max(86_400_000).default(30_000),
  FSO_SIGNERS_FILE: File,
  FSO_SIGNERS_KEYRING: File,
  FSO_VERIFY: z.enum(VERIFY_MODES).optional(),
  FSO_LISTEN: Address.prefault('127.0.0.1:8080'),
  FSO_AGENT_LISTEN: Address.prefault('127.0.0.1:8443'),
  FSO_AGENT_TOKENS_FILE: File,
  FSO_AGENT_TLS: z.enum(['on', 'off']).default('on'),
  FSO_AGENT_TLS_CERT_FILE: File,
  FSO_AGENT_TLS_KEY_FILE: File,
  FSO_AGENT_CA_CERT_FILE: File,
  FSO_AGENT_CA_KEY_FILE: File,
  FSO_AGENT_HOSTNAMES: Hostnames.optional(),
  FSO_API_TOKEN: Secret,
  FSO_WEBHOOK_SECRET: Secret,
  FSO_DATA_DIR: z.string().min(1).default('.fso/hub'),
  DATABASE_URL: DatabaseUrl,
  FSO_HISTORY_DAYS: z.coerce.number().int().min(1).max(36_500).default(400),
  FSO_HISTORY_EVENTS: z.coerce.number().int().min(1000).max(100_000_000).default(1_000_000),
  FSO_REVOCATION_MAX_AGE_MS: z.coerce.number().int().min(10_000).max(86_400_000).default(DEFAULT_MAX_BEHIND_MS),
  FSO_AUDIT_KEY_FILE: File,
  FSO_ACCEPT_NEW_AUDIT_KEY: z.enum(['true', 'false']).default('false'),
  FSO_SHUTDOWN_DELAY_MS: z.coerce.number().int().min(0).max(10_000).default(0),
  FSO_LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']).default('info'),
});
type Variables = z.infer<typeof Variables>;

const SECRETS = ['FSO_GIT_TOKEN', 'FSO_GIT_PASSWORD', 'FSO_API_TOKEN', 'FSO_OIDC_CLIENT_SECRET', 'FSO_WEBHOOK_SECRET', 'DATABASE_URL'];

/** What other machines can reach must not be open to them. */
const checkExposure = (variables: Variables, problems: Problems): void => {
  const { FSO_LISTEN: listen, FSO_AGENT_LISTEN: agents } = variables;
  if (!isLoopback(listen.host) && variables.FSO_API_TOKEN === undefined && variables.FSO_OIDC_ISSUER === undefined)
    problems.push(
      `FSO_API_TOKEN: is not set, nor FSO_OIDC_ISSUER, but FSO_LISTEN=${listen.host}:${listen.port} can be reached from other machines`,
    );
  if (variables.FSO_AGENT_TLS === 'on') return;
  if (!isLoopback(agents.host))
    problems.push(`FSO_AGENT_TLS: is off, but at FSO_AGENT_LISTEN=${agents.host}:${agents.port} tokens would come in the clear`);
  if (variables.FSO_AGENT_TOKENS_FILE === undefined)
    problems.push('FSO_AGENT_TOKENS_FILE: is not set, and with FSO_AGENT_TLS=off agents cannot enrol: none could connect');
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
  const access = readAccess(variables, problems);
  const git = readGitAccess(variables, env, problems);
  const { FSO_AGENT_TOKENS_FILE: tokensFile, FSO_AGENT_HOSTNAMES: hostnames = [] } = variables;
  const agentTokens = tokensFile === undefined ? new Map() : await readTokens('FSO_AGENT_TOKENS_FILE', tokensFile, problems);
  const tlsFiles = { cert: variables.FSO_AGENT_TLS_CERT_FILE, key: variables.FSO_AGENT_TLS_KEY_FILE };
  const agentTls = await readPair('FSO_AGENT_TLS', tlsFiles, problems);
  const ca = await readCa({ cert: variables.FSO_AGENT_CA_CERT_FILE, key: variables.FSO_AGENT_CA_KEY_FILE }, problems);
  const trust = await readTrust(variables, problems);
  if (problems.length > 0) throw new ConfigError(problems);
  return {
    git: { ...git, trust, ref: variables.FSO_GIT_REF, pollMs: variables.FSO_GIT_POLL_MS },
    listen: variables.FSO_LISTEN,
    agentListen: variables.FSO_AGENT_LISTEN,
    agentTls: variables.FSO_AGENT_TLS === 'on' ? agentTls : undefined,
    identity: variables.FSO_AGENT_TLS === 'on' ? { ca, hostnames } : undefined,
    agentTokens,
    apiToken: variables.FSO_API_TOKEN,
    access,
    webhookSecret: variables.FSO_WEBHOOK_SECRET,
    dataDir: resolve(variables.FSO_DATA_DIR),
    database: databaseOf(variables),
    history: { days: variables.FSO_HISTORY_DAYS, events: variables.FSO_HISTORY_EVENTS },
    maxBehindMs: variables.FSO_REVOCATION_MAX_AGE_MS,
    shutdownDelayMs: variables.FSO_SHUTDOWN_DELAY_MS,
    auditKeyFile: auditKeyFileOf(variables),
    keyFiles: [variables.FSO_AGENT_CA_KEY_FILE, variables.FSO_AGENT_TLS_KEY_FILE, tokensFile].filter((path) => path !== undefined),
    acceptNewAuditKey: variables.FSO_ACCEPT_NEW_AUDIT_KEY === 'true',
    logLevel: variables.FSO_LOG_LEVEL,
  };
};

const auditKeyFileOf = (variables: Pick<Variables, 'FSO_AUDIT_KEY_FILE' | 'FSO_DATA_DIR'>): string =>
  resolve(variables.FSO_AUDIT_KEY_FILE ?? join(variables.FSO_DATA_DIR, 'audit-key.pem'));

/** Where the ledger and its key are, for commands that work on it without a hub. @throws ConfigError */
export const loadLedgerConfig = async (env: Environment): Promise<{ database: DatabaseConfig; auditKeyFile: string }> => {
  const problems: Problems = [];
  const secrets = await readSecrets(env, ['DATABASE_URL'], problems);
  const used = Variables.pick({ DATABASE_URL: true, FSO_DATA_DIR: true, FSO_AUDIT_KEY_FILE: true });
  const variables = parseConfig(used, { ...env, ...secrets }, problems);
  if (problems.length > 0) throw new ConfigError(problems);
  return { database: databaseOf(variables), auditKeyFile: auditKeyFileOf(variables) };
};
