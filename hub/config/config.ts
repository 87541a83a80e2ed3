import { stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import {
  ConfigError,
  type Environment,
  isLoopback,
  type ListenAddress,
  type Logger,
  type LogLevel,
  type ProblemTexts,
  type ProxyConfig,
  parseConfig,
  readProxy,
  type Secret,
  type SecretFile,
  Secrets,
} from '@fso/shared/runtime';
import { readTelemetry, type TelemetryConfig, withoutUnusedTelemetry } from '@fso/shared/telemetry';
import { readTrust, type TrustConfig } from '@fso/shared/trust';
import { type AlertsConfig, readAlertsFile } from '../alerts/index.ts';
import { ownCaPaths } from '../identity/index.ts';
import type { DatabaseConfig, HistoryLimits } from '../ledger/index.ts';
import { type HubAccess, readAccess } from './access.ts';
import { readCa, readPair, readTokens, type TlsFiles } from './files.ts';
import { type GitAccess, readGitAccess } from './git.ts';
import { withKeysFolder } from './keys-folder.ts';
import { HUB_SETTINGS, Variables } from './variables.ts';

/** Paths of files with secrets. */
interface SecretFiles {
  readonly auditKeyFile: string;
  readonly dataDir: string;
  /** undefined: the hub has no CA. */
  readonly identity?: object | undefined;
  readonly keyFiles?: readonly string[];
}

/** Permissions of the group and of others. */
const OTHERS = 0o077;

/**
 * Returns the permissions of a path.
 *
 * @returns undefined if only its owner may use it, or it does not exist
 */
const modeForOthers = async (path: string): Promise<number | undefined> => {
  try {
    const mode = (await stat(path)).mode & 0o777;
    return (mode & OTHERS) === 0 ? undefined : mode;
  } catch (error) {
    if (Reflect.get(Object(error), 'code') === 'ENOENT') return undefined;
    throw error;
  }
};

/**
 * Warns about secret files, and folders with them, that users other than their owner may use. Not
 * an error: with `fsGroup`, volumes of Kubernetes belong to the group.
 */
export const warnOfSharedFiles = async ({ auditKeyFile, dataDir, identity, keyFiles = [] }: SecretFiles, logger: Logger): Promise<void> => {
  if (process.platform === 'win32') return;
  const caFiles = identity === undefined ? [] : ['identity', 'identity/ca.key'].map((name) => join(dataDir, name));
  for (const path of [auditKeyFile, ...caFiles, ...keyFiles]) {
    const mode = await modeForOthers(path);
    if (mode !== undefined)
      logger.warn({ path, mode: mode.toString(8).padStart(4, '0') }, 'others of this machine may use secrets of the hub');
  }
};

export { KEY_FILES } from './keys-folder.ts';

export { HUB_SETTINGS } from './variables.ts';

/** Settings of the hub, read from the environment once. */
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
  /**
   * Certificate of the agents' listener; undefined: the CA of agents issues one, or without a CA
   * there is no TLS.
   */
  readonly agentTls: TlsFiles | undefined;
  /** Enrolment of agents; undefined: agents use static tokens only. */
  readonly identity?: { readonly ca: TlsFiles | undefined; readonly hostnames: readonly string[] } | undefined;
  /** Static tokens by cluster. */
  readonly agentTokens: ReadonlyMap<string, string>;
  readonly apiToken: Secret | undefined;
  readonly access?: HubAccess;
  readonly webhookSecret: Secret | undefined;
  /** Receivers and routes of alerts; undefined: no notifications are sent. */
  readonly alerts?: { readonly file: string; readonly config: AlertsConfig } | undefined;
  readonly dataDir: string;
  readonly database: DatabaseConfig;
  readonly history: HistoryLimits;
  /** File with the private key that signs the checkpoints of the audit log. Created if missing. */
  readonly auditKeyFile: string;
  /** Whether a key other than the one that signed the audit log so far is accepted. */
  readonly acceptNewAuditKey?: boolean;
  /** Files with private keys and tokens that are named in the settings. */
  readonly keyFiles?: readonly string[];
  /** Maximum age of the known revocations of other hubs, in milliseconds. Default: 5 min. */
  readonly maxBehindMs?: number;
  /**
   * Time between the stop signal, after which the hub is not ready, and the end of its listeners,
   * in milliseconds. Default: 0.
   */
  readonly shutdownDelayMs?: number;
  readonly logLevel: LogLevel;
  /** Telemetry; undefined: no traces. */
  readonly telemetry?: TelemetryConfig | undefined;
  /** Credentials that are read again when their files change. */
  readonly secretFiles?: readonly SecretFile[];
}

const SECRETS = HUB_SETTINGS.filter(({ isSecret }) => isSecret).map(({ name }) => name);

/** Refuses settings that expose the hub to other machines without authentication or TLS. */
const checkExposure = (variables: Variables, problems: ProblemTexts): void => {
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

/** Reads the alerts file. @returns undefined if there is none, or it has problems */
const readAlerts = async (file: string | undefined, problems: ProblemTexts): Promise<HubConfig['alerts']> => {
  if (file === undefined) return undefined;
  const config = await readAlertsFile(file);
  if (!('problems' in config)) return { file, config };
  problems.push(...config.problems.map((problem) => `FSO_ALERTS_FILE: ${problem}`));
  return undefined;
};

const withoutUser = (text: string): string => {
  const url = new URL(text);
  url.username = '';
  url.password = '';
  return url.href;
};

/**
 * Returns the configured database server or, without one, the embedded database. While the hub
 * runs, only user and password of the URL may change: another address means another ledger.
 */
const databaseOf = (
  { DATABASE_URL: url, FSO_DATA_DIR: dataDir }: Pick<Variables, 'DATABASE_URL' | 'FSO_DATA_DIR'>,
  secrets: Secrets,
): DatabaseConfig => {
  if (url === undefined) return { folder: join(resolve(dataDir), 'ledger') };
  const secret = secrets.get('DATABASE_URL') ?? url;
  if (typeof secret !== 'string')
    secret.addCheck((next) => (withoutUser(next) === withoutUser(url) ? undefined : 'differs in more than user and password: restart'));
  return { url: secret };
};

/**
 * Reads the hub's configuration from the environment and the files that it names.
 *
 * @throws ConfigError with all problems; it quotes no secret
 */
export const loadHubConfig = async (environment: Environment): Promise<HubConfig> => {
  const problems: ProblemTexts = [];
  const env = withKeysFolder(withoutUnusedTelemetry(environment), problems);
  const secrets = await Secrets.read(env, Variables, SECRETS, problems);
  const variables = parseConfig(Variables, secrets.environment, problems);
  checkExposure(variables, problems);
  const access = await readAccess(variables, secrets, problems);
  const git = readGitAccess(variables, env, secrets, problems);
  const { FSO_AGENT_TOKENS_FILE: tokensFile, FSO_AGENT_HOSTNAMES: hostnames = [] } = variables;
  const agentTokens = tokensFile === undefined ? new Map() : await readTokens('FSO_AGENT_TOKENS_FILE', tokensFile, problems);
  const tlsFiles = { cert: variables.FSO_AGENT_TLS_CERT_FILE, key: variables.FSO_AGENT_TLS_KEY_FILE };
  const agentTls = await readPair('FSO_AGENT_TLS', tlsFiles, problems);
  const ca = await readCa({ cert: variables.FSO_AGENT_CA_CERT_FILE, key: variables.FSO_AGENT_CA_KEY_FILE }, problems);
  const trust = await readTrust(variables, problems);
  const alerts = await readAlerts(variables.FSO_ALERTS_FILE, problems);
  const telemetry = await readTelemetry(variables, secrets, problems);
  if (problems.length > 0) throw new ConfigError(problems);
  return {
    git: { ...git, trust, ref: variables.FSO_GIT_REF, pollMs: variables.FSO_GIT_POLL_MS },
    proxy: readProxy(variables, secrets),
    listen: variables.FSO_LISTEN,
    agentListen: variables.FSO_AGENT_LISTEN,
    agentTls: variables.FSO_AGENT_TLS === 'on' ? agentTls : undefined,
    identity: variables.FSO_AGENT_TLS === 'on' ? { ca, hostnames } : undefined,
    agentTokens,
    apiToken: secrets.get('FSO_API_TOKEN'),
    access,
    webhookSecret: secrets.get('FSO_WEBHOOK_SECRET'),
    alerts,
    dataDir: resolve(variables.FSO_DATA_DIR),
    database: databaseOf(variables, secrets),
    history: { days: variables.FSO_HISTORY_DAYS, events: variables.FSO_HISTORY_EVENTS },
    maxBehindMs: variables.FSO_REVOCATION_MAX_AGE_MS,
    shutdownDelayMs: variables.FSO_SHUTDOWN_DELAY_MS,
    auditKeyFile: auditKeyFileOf(variables),
    keyFiles: [variables.FSO_AGENT_CA_KEY_FILE, variables.FSO_AGENT_TLS_KEY_FILE, tokensFile].filter((path) => path !== undefined),
    acceptNewAuditKey: variables.FSO_ACCEPT_NEW_AUDIT_KEY === 'true',
    logLevel: variables.FSO_LOG_LEVEL,
    telemetry,
    secretFiles: secrets.files,
  };
};

const auditKeyFileOf = (variables: Pick<Variables, 'FSO_AUDIT_KEY_FILE' | 'FSO_DATA_DIR'>): string =>
  resolve(variables.FSO_AUDIT_KEY_FILE ?? join(variables.FSO_DATA_DIR, 'audit-key.pem'));

/**
 * Loads the location of the ledger and of its key, for commands that work without a hub.
 *
 * @throws ConfigError
 */
export const loadLedgerConfig = async (environment: Environment): Promise<{ database: DatabaseConfig; auditKeyFile: string }> => {
  const problems: ProblemTexts = [];
  const env = withKeysFolder(environment, problems);
  const used = Variables.pick({ DATABASE_URL: true, FSO_DATA_DIR: true, FSO_AUDIT_KEY_FILE: true });
  const secrets = await Secrets.read(env, used, ['DATABASE_URL'], problems);
  const variables = parseConfig(used, secrets.environment, problems);
  if (problems.length > 0) throw new ConfigError(problems);
  return { database: databaseOf(variables, secrets), auditKeyFile: auditKeyFileOf(variables) };
};

/** Paths of the hub's private keys and of its CA. */
export interface KeyPaths {
  readonly caCert: string;
  readonly caKey: string;
  readonly auditKey: string;
}

/** Loads the paths of the hub's keys, for commands that work without a hub. @throws ConfigError */
export const loadKeyPaths = (environment: Environment): KeyPaths => {
  const problems: ProblemTexts = [];
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
