import { join, resolve } from 'node:path';
import {
  Address,
  ConfigError,
  type Environment,
  isLoopback,
  type ListenAddress,
  type LogLevel,
  listSettings,
  PROXY_VARIABLES,
  type Problems,
  type ProxyConfig,
  parseConfig,
  readProxy,
  readSecrets,
} from '@fso/shared/runtime';
import { readTelemetry, TELEMETRY_VARIABLES, type TelemetryConfig, withoutUnusedTelemetry } from '@fso/shared/telemetry';
import { readTrust, type TrustConfig, VERIFY_MODES } from '@fso/shared/trust';
import { z } from 'zod';
import { type AlertsConfig, readAlertsFile } from '../alerts/index.ts';
import { ownCaPaths } from '../identity/index.ts';
import type { DatabaseConfig, HistoryLimits } from '../ledger/index.ts';
import { DEFAULT_MAX_BEHIND_MS } from '../serve/index.ts';
import { ACCESS_VARIABLES, type HubAccess, readAccess } from './access.ts';
import { readCa, readPair, readTokens, type TlsFiles } from './files.ts';
import { GIT_VARIABLES, type GitAccess, readGitAccess } from './git.ts';
import { KEY_FILES, withKeysFolder } from './keys-folder.ts';

export { KEY_FILES } from './keys-folder.ts';

export interface HubConfig {
  readonly git: Partial<GitAccess> & {
    readonly url: string;
    readonly ref: string;
    readonly pollMs: number;
    /** Trusted signers of commits, and the mode of verification. */
    readonly trust: TrustConfig;
  };
  /** Proxy for Git, identity provider and receivers; undefined: direct connections. */
  readonly proxy?: ProxyConfig | undefined;
  readonly listen: ListenAddress;
  readonly agentListen: ListenAddress;
  /** Certificate of the agents' listener; undefined: the CA of the agents issues one, or, without it, there is no TLS. */
  readonly agentTls: TlsFiles | undefined;
  /** Enrolment of agents; undefined: they have only static tokens. */
  readonly identity?: { readonly ca: TlsFiles | undefined; readonly hostnames: readonly string[] } | undefined;
  /** Static tokens by cluster. */
  readonly agentTokens: ReadonlyMap<string, string>;
  readonly apiToken: string | undefined;
  readonly access?: HubAccess;
  readonly webhookSecret: string | undefined;
  /** Receivers and routes of alerts; undefined: no receiver is notified. */
  readonly alerts?: { readonly file: string; readonly config: AlertsConfig } | undefined;
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
  /** undefined: no traces. */
  readonly telemetry?: TelemetryConfig | undefined;
}

const MIN_SECRET_LENGTH = 16;
const Secret = z.string().min(MIN_SECRET_LENGTH, `must have at least ${MIN_SECRET_LENGTH} characters`).max(512).optional();
const integer = (min: number, max: number) => z.coerce.number().int().min(min).max(max);
const File = z.string().min(1).optional();

/** URL of the database. An error does not repeat its parts, as one of them is a password. */
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

/** The environment of the hub: `fso serve --help` and docs/reference/hub-settings.md are made from it. */
const Variables = z.object({
  ...GIT_VARIABLES,
  FSO_SIGNERS_FILE: File.meta({ description: 'File with the SSH keys that may sign commits (OpenSSH allowed signers), read at start.' }),
  FSO_SIGNERS_KEYRING: File.meta({
    description: 'File with the OpenPGP keys that may sign commits (ASCII-armoured public keys), read at start.',
  }),
  FSO_VERIFY: z.enum(VERIFY_MODES).optional().meta({
    description: 'Treatment of a commit that is not trusted: strict rejects it, warn accepts it with a warning, off does not check.',
    fallback: 'strict with signers, else off',
  }),
  FSO_LISTEN: Address.prefault('127.0.0.1:8080').meta({
    description:
      'Address of the API and the dashboard, in plain HTTP: put a proxy with TLS before it. Beyond this machine FSO_API_TOKEN or FSO_OIDC_ISSUER must be set.',
  }),
  FSO_API_TOKEN: Secret.meta({
    description: `Static token of an administrator, at least ${MIN_SECRET_LENGTH} characters. With neither it nor FSO_OIDC_ISSUER everybody on this machine may read.`,
    secret: true,
  }),
  ...ACCESS_VARIABLES,
  FSO_WEBHOOK_SECRET: Secret.meta({
    description: `Secret of the repository's webhooks, at least ${MIN_SECRET_LENGTH} characters.`,
    fallback: 'webhooks from this machine only',
    secret: true,
  }),
  FSO_ALERTS_FILE: File.meta({
    description: 'YAML file that says who is notified of which alerts. Read again when it changes.',
    fallback: 'alerts are shown, and nobody is notified',
  }),
  FSO_AGENT_LISTEN: Address.prefault('127.0.0.1:8443').meta({ description: 'Address for agents.' }),
  FSO_AGENT_HOSTNAMES: Hostnames.optional().meta({
    description:
      'Names and addresses under which agents call the hub, separated by commas, beside the host of FSO_AGENT_LISTEN. They stand in the certificate that the CA issues.',
  }),
  FSO_AGENT_TOKENS_FILE: File.meta({
    description: 'YAML or JSON file with static tokens of agents that do not enrol, <cluster>: <token>.',
  }),
  FSO_AGENT_TLS: z.enum(['on', 'off']).default('on').meta({
    description: 'off: plain HTTP with static tokens only, on this machine only, for a proxy that terminates TLS.',
  }),
  FSO_AGENT_TLS_CERT_FILE: File.meta({
    description: "Certificate of the agents' address (PEM), read at start. Agents then need FSO_HUB_CA_FILE.",
    fallback: 'issued by the CA of the agents',
  }),
  FSO_AGENT_TLS_KEY_FILE: File.meta({ description: 'Key of that certificate (PEM).' }),
  FSO_AGENT_CA_CERT_FILE: File.meta({
    description: 'CA of the agents (PEM). Of several certificates all are trusted, and the first one signs.',
    fallback: 'made at the first start',
  }),
  FSO_AGENT_CA_KEY_FILE: File.meta({ description: 'Key of that CA (PEM).' }),
  FSO_KEYS_DIR: File.meta({
    description: `Folder with the keys of several hubs, as a Secret is mounted: ${Object.values(KEY_FILES).join(', ')}. While it has none of them, the hub makes its own in FSO_DATA_DIR.`,
  }),
  FSO_DATA_DIR: z.string().min(1).default('.fso/hub').meta({
    description: 'Folder of the clone, the last good revision, the CA of the agents, the audit key and the embedded ledger.',
  }),
  DATABASE_URL: DatabaseUrl.meta({
    description: 'postgresql:// URL of the ledger, PostgreSQL 13 or newer.',
    fallback: 'embedded in FSO_DATA_DIR',
    secret: true,
  }),
  FSO_HISTORY_DAYS: integer(1, 36_500).default(400).meta({
    description: 'Days after which events are deleted. The audit log is kept for ever.',
  }),
  FSO_HISTORY_EVENTS: integer(1000, 100_000_000).default(1_000_000).meta({
    description: 'Number of events beyond which the hub deletes those of the clusters with the most of them.',
  }),
  FSO_REVOCATION_MAX_AGE_MS: integer(10_000, 86_400_000).default(DEFAULT_MAX_BEHIND_MS).meta({
    description: "With several hubs: maximum age, in ms, of this hub's knowledge of what the others have revoked, 10 s to a day.",
  }),
  FSO_AUDIT_KEY_FILE: File.meta({
    description: 'Ed25519 private key (PEM) that signs checkpoints of the audit log, made where there is none. Several hubs share one.',
    fallback: 'audit-key.pem in FSO_DATA_DIR',
  }),
  FSO_ACCEPT_NEW_AUDIT_KEY: z.enum(['true', 'false']).default('false').meta({
    description: 'true: start with another audit key than the one that signed the log so far. Set it for one start.',
  }),
  FSO_SHUTDOWN_DELAY_MS: integer(0, 10_000).default(0).meta({
    description: 'Behind a load balancer: time, in ms, that a hub goes on after the signal to stop while its /readyz is 503, at most 10 s.',
  }),
  ...PROXY_VARIABLES,
  FSO_LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']).default('info').meta({
    description: 'trace, debug, info, warn, error, fatal or silent.',
  }),
  ...TELEMETRY_VARIABLES,
});
type Variables = z.infer<typeof Variables>;

/** Every variable of the hub, for `fso serve --help` and its documentation. */
export const HUB_SETTINGS = listSettings(Variables);

const SECRETS = HUB_SETTINGS.filter(({ isSecret }) => isSecret).map(({ name }) => name);

/** Refuses settings that expose the hub to other machines without authentication or TLS. */
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

/** @returns undefined: there is no file, or a problem of it */
const readAlerts = async (file: string | undefined, problems: Problems): Promise<HubConfig['alerts']> => {
  if (file === undefined) return undefined;
  const config = await readAlertsFile(file);
  if (!('problems' in config)) return { file, config };
  problems.push(...config.problems.map((problem) => `FSO_ALERTS_FILE: ${problem}`));
  return undefined;
};

/** A server where one is given, else the database that is embedded in the hub. */
const databaseOf = ({ DATABASE_URL: url, FSO_DATA_DIR: dataDir }: Pick<Variables, 'DATABASE_URL' | 'FSO_DATA_DIR'>): DatabaseConfig =>
  url === undefined ? { folder: join(resolve(dataDir), 'ledger') } : { url };

/**
 * Reads the hub's configuration from the environment and the files that it names.
 *
 * @throws ConfigError with every problem; no secret is quoted
 */
export const loadHubConfig = async (environment: Environment): Promise<HubConfig> => {
  const problems: Problems = [];
  const env = withKeysFolder(withoutUnusedTelemetry(environment), problems);
  const secrets = await readSecrets(env, SECRETS, problems);
  const variables = parseConfig(Variables, { ...env, ...secrets }, problems);
  checkExposure(variables, problems);
  const access = await readAccess(variables, problems);
  const git = readGitAccess(variables, env, problems);
  const { FSO_AGENT_TOKENS_FILE: tokensFile, FSO_AGENT_HOSTNAMES: hostnames = [] } = variables;
  const agentTokens = tokensFile === undefined ? new Map() : await readTokens('FSO_AGENT_TOKENS_FILE', tokensFile, problems);
  const tlsFiles = { cert: variables.FSO_AGENT_TLS_CERT_FILE, key: variables.FSO_AGENT_TLS_KEY_FILE };
  const agentTls = await readPair('FSO_AGENT_TLS', tlsFiles, problems);
  const ca = await readCa({ cert: variables.FSO_AGENT_CA_CERT_FILE, key: variables.FSO_AGENT_CA_KEY_FILE }, problems);
  const trust = await readTrust(variables, problems);
  const alerts = await readAlerts(variables.FSO_ALERTS_FILE, problems);
  const telemetry = await readTelemetry(variables, problems);
  if (problems.length > 0) throw new ConfigError(problems);
  return {
    git: { ...git, trust, ref: variables.FSO_GIT_REF, pollMs: variables.FSO_GIT_POLL_MS },
    proxy: readProxy(variables),
    listen: variables.FSO_LISTEN,
    agentListen: variables.FSO_AGENT_LISTEN,
    agentTls: variables.FSO_AGENT_TLS === 'on' ? agentTls : undefined,
    identity: variables.FSO_AGENT_TLS === 'on' ? { ca, hostnames } : undefined,
    agentTokens,
    apiToken: variables.FSO_API_TOKEN,
    access,
    webhookSecret: variables.FSO_WEBHOOK_SECRET,
    alerts,
    dataDir: resolve(variables.FSO_DATA_DIR),
    database: databaseOf(variables),
    history: { days: variables.FSO_HISTORY_DAYS, events: variables.FSO_HISTORY_EVENTS },
    maxBehindMs: variables.FSO_REVOCATION_MAX_AGE_MS,
    shutdownDelayMs: variables.FSO_SHUTDOWN_DELAY_MS,
    auditKeyFile: auditKeyFileOf(variables),
    keyFiles: [variables.FSO_AGENT_CA_KEY_FILE, variables.FSO_AGENT_TLS_KEY_FILE, tokensFile].filter((path) => path !== undefined),
    acceptNewAuditKey: variables.FSO_ACCEPT_NEW_AUDIT_KEY === 'true',
    logLevel: variables.FSO_LOG_LEVEL,
    telemetry,
  };
};

const auditKeyFileOf = (variables: Pick<Variables, 'FSO_AUDIT_KEY_FILE' | 'FSO_DATA_DIR'>): string =>
  resolve(variables.FSO_AUDIT_KEY_FILE ?? join(variables.FSO_DATA_DIR, 'audit-key.pem'));

/**
 * Loads the location of the ledger and of its key, for commands that work on it without a hub.
 *
 * @throws ConfigError
 */
export const loadLedgerConfig = async (environment: Environment): Promise<{ database: DatabaseConfig; auditKeyFile: string }> => {
  const problems: Problems = [];
  const env = withKeysFolder(environment, problems);
  const secrets = await readSecrets(env, ['DATABASE_URL'], problems);
  const used = Variables.pick({ DATABASE_URL: true, FSO_DATA_DIR: true, FSO_AUDIT_KEY_FILE: true });
  const variables = parseConfig(used, { ...env, ...secrets }, problems);
  if (problems.length > 0) throw new ConfigError(problems);
  return { database: databaseOf(variables), auditKeyFile: auditKeyFileOf(variables) };
};

/** Paths of the hub's private keys and of its CA, wherever they are. */
export interface KeyPaths {
  readonly caCert: string;
  readonly caKey: string;
  readonly auditKey: string;
}

/**
 * Loads the paths of the hub's keys, for commands that work on them without it.
 *
 * @throws ConfigError
 */
export const loadKeyPaths = (environment: Environment): KeyPaths => {
  const problems: Problems = [];
  const env = withKeysFolder(environment, problems);
  const used = Variables.pick({ FSO_DATA_DIR: true, FSO_AGENT_CA_CERT_FILE: true, FSO_AGENT_CA_KEY_FILE: true, FSO_AUDIT_KEY_FILE: true });
  const variables = parseConfig(used, env, problems);
  if (problems.length > 0) throw new ConfigError(problems);
  const own = ownCaPaths(resolve(variables.FSO_DATA_DIR));
  return {
    caCert: variables.FSO_AGENT_CA_CERT_FILE ?? own.cert,
    caKey: variables.FSO_AGENT_CA_KEY_FILE ?? own.key,
    auditKey: auditKeyFileOf(variables),
  };
};
