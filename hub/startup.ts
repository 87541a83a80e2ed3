import { X509Certificate } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Writable } from 'node:stream';
import {
  API_CONNECTION_LIMITS,
  type Clock,
  ConnectionLimiter,
  type ListenAddress,
  type Listening,
  type Logger,
  listen,
  type PauseDetector,
  type Shutdown,
} from '@fso/shared/runtime';
import type { Registry } from 'prom-client';
import { createAccess } from './access/index.ts';
import { Alerts, AlertsFile } from './alerts/index.ts';
import type { CommitTraces } from './commit-traces.ts';
import type { HubConfig } from './config/config.ts';
import {
  type AgentServer,
  createAgentServer,
  type Delivery,
  type DeliveryLimits,
  type Inspector,
  keepCertificate,
} from './delivery/index.ts';
import { type AgentListenerIdentity, type OpenIdentityOptions, openIdentity } from './identity/index.ts';
import {
  type AuditKey,
  AuditVerifier,
  type Checkpoints,
  checkAuditKey,
  createCheckpoints,
  type Ledger,
  loadAuditKey,
  openReader,
  writeBackup,
} from './ledger/index.ts';
import type { HubMetrics } from './metrics.ts';
import { lifeEntry, recordAudit, recordIdentity } from './recorders/index.ts';
import { createApi, createApiServer, DEFAULT_MAX_BEHIND_MS, type FleetReader, type HubCertificate, IssueLister } from './serve/index.ts';
import { openSource, type Source } from './source/index.ts';

export interface HubDeps {
  readonly logger: Logger;
  readonly version: string;
  /** Metrics of the process itself; for programs. */
  readonly processMetrics?: boolean;
  readonly clock?: Clock;
  /** Uniform in [0, 1); for jitter. */
  readonly random: () => number;
  readonly ledger?: Ledger;
  readonly deliveryLimits?: Partial<DeliveryLimits>;
  readonly identityLimits?: OpenIdentityOptions['limits'];
  /** Absent: nothing is traced. */
  readonly traces?: CommitTraces | undefined;
}

/** Settings and services that all parts of one hub share. */
export interface HubContext {
  readonly config: HubConfig;
  readonly deps: HubDeps;
  readonly clock: Clock;
  readonly pauses: PauseDetector;
  readonly ledger: Ledger;
  readonly registry: Registry;
  readonly metrics: HubMetrics;
}

/** @returns undefined if agents have only static tokens */
const openListenerIdentity = async ({ config, deps, clock, ledger }: HubContext): Promise<AgentListenerIdentity | undefined> => {
  if (config.identity === undefined) return undefined;
  const { dataDir: folder, agentTls, agentListen: listen, agentTokens: tokens, maxBehindMs = DEFAULT_MAX_BEHIND_MS } = config;
  const logger = deps.logger.child({ step: 'identity' });
  const options = { folder, ...config.identity, serverCertificate: agentTls, listen, tokens, limits: deps.identityLimits };
  const state = { isWritable: () => ledger.health().ok, isCurrent: () => ledger.behindMs() <= maxBehindMs };
  return openIdentity(options, { clock, logger, records: ledger.records, state, onEvent: recordIdentity({ ledger, clock, logger }) });
};

/** Permissions of the group and of all others. */
const OTHERS = 0o077;

/** @returns undefined: only its owner may use it, or it does not exist */
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
 * Warns about secret files, and folders with such files, that users other than their owner may use.
 * This is no error: with `fsGroup`, volumes of Kubernetes belong to the group.
 */
const warnOfSharedKeys = async (paths: readonly string[], logger: Logger): Promise<void> => {
  if (process.platform === 'win32') return;
  for (const path of paths) {
    const mode = await modeForOthers(path);
    if (mode !== undefined)
      logger.warn({ path, mode: mode.toString(8).padStart(4, '0') }, 'others of this machine may use secrets of the hub');
  }
};

/** Stores that outlive the process, beside the ledger. */
export interface Stores {
  readonly auditKey: AuditKey;
  readonly checkpoints: Checkpoints;
  readonly source: Source;
  readonly identity: AgentListenerIdentity | undefined;
}

/**
 * Opens and checks the files of the hub.
 *
 * @throws ConfigError or LedgerError with a remedy
 */
export const openStores = async (context: HubContext): Promise<Stores> => {
  const { config, deps, clock, ledger, metrics } = context;
  const { logger, version } = deps;
  const { git, dataDir } = config;
  const auditKey = await loadAuditKey(config.auditKeyFile);
  await checkAuditKey(ledger.audit, { id: auditKey.id, file: config.auditKeyFile, accept: config.acceptNewAuditKey ?? false });
  const checkpoints = createCheckpoints({ ledger, key: auditKey, clock, logger: logger.child({ step: 'ledger' }) });
  await ledger.audit.append(lifeEntry('hub.start', version, { repository: git.url, ref: git.ref }));
  const source = await openSource(
    { ...git, proxy: config.proxy, dataDir },
    { clock, logger: logger.child({ step: 'source' }), random: deps.random, metrics },
  );
  const identity = await openListenerIdentity(context);
  const caFiles = config.identity === undefined ? [] : ['identity', 'identity/ca.key'].map((name) => join(dataDir, name));
  await warnOfSharedKeys([config.auditKeyFile, ...caFiles, ...(config.keyFiles ?? [])], logger);
  return { auditKey, checkpoints, source, identity };
};

/** Certificates that people replace; the others the hub renews by itself. */
const certificatesOf = ({ agentTls }: HubConfig, { identity }: Stores): HubCertificate[] => [
  ...(agentTls === undefined
    ? []
    : [{ what: "The certificate of the agents' address", expires: new X509Certificate(agentTls.cert).validToDate.toISOString() }]),
  ...(identity === undefined ? [] : [{ what: 'The CA of the agents', expires: identity.expiries().ca.toISOString() }]),
];

/** Opens the list of issues of the fleet, and the alerts about them. */
export const openAlerts = (
  { config, deps, clock, pauses, ledger, metrics }: HubContext,
  stores: Stores,
  fleet: FleetReader,
): { readonly issues: IssueLister; readonly alerts: Alerts } => {
  const logger = deps.logger.child({ step: 'alerts' });
  const verifier = new AuditVerifier({ audit: ledger.audit, key: stores.auditKey.id, clock });
  const file = new AlertsFile(config.alerts?.file, config.alerts?.config, logger);
  const hub = {
    certificates: certificatesOf(config, stores),
    health: () => ledger.health(),
    verifyAudit: () => verifier.verify(),
  };
  const issues = new IssueLister({ fleet, hub, severityOf: (name) => file.config.rules(name).severity, clock });
  const alerts = new Alerts({
    ledger,
    issues: (isNamed) => issues.list(isNamed),
    file,
    clock,
    pausedMs: () => pauses.pausedMs(),
    logger,
    random: deps.random,
    metrics: metrics.alerts,
    hubUrl: config.access?.publicUrl?.replace(/\/+$/, ''),
  });
  return { issues, alerts };
};

const DASHBOARD = join(import.meta.dirname, 'dashboard', 'dist');

/** The address for agents on other machines. */
const agentUrlOf = (listening: Listening, identity: AgentListenerIdentity | undefined): string => {
  const host = identity?.hosts[0];
  if (host === undefined) return listening.url.replace(/^http/, 'ws');
  return `wss://${host.includes(':') ? `[${host}]` : host}:${listening.port}`;
};

/** Opens both listeners, or none. */
const listenBoth = async (
  first: readonly [AgentServer, ListenAddress],
  second: readonly [AgentServer, ListenAddress],
  { closing, closeNow }: Shutdown,
): Promise<readonly [Listening, Listening]> => {
  const one = await listen(first[0], first[1], closing);
  try {
    return [one, await listen(second[0], second[1], closing)];
  } catch (error) {
    closeNow();
    await one.closed;
    throw error;
  }
};

export interface Listeners {
  /** Base URL of the API. */
  readonly url: string;
  /** Base URL of the agents' listener, `ws:` or `wss:`. */
  readonly agentUrl: string;
  /** Gives the agents' listener its next certificate in time. */
  readonly keepCertificate: (signal: AbortSignal) => Promise<void>;
  readonly closed: readonly Promise<void>[];
}

/** The parts that the listeners serve. */
export interface ServedParts {
  readonly delivery: Delivery;
  readonly inspector: Inspector;
  readonly fleet: FleetReader;
  readonly alerts: Alerts;
  readonly issues: IssueLister;
}

/**
 * Opens step ⑨ and the agents' side of step ④. Resolves once both listeners answer. @throws Error
 * when an address is taken
 */
export const openListeners = async (context: HubContext, stores: Stores, parts: ServedParts, shutdown: Shutdown): Promise<Listeners> => {
  const { config, deps, clock, ledger, registry } = context;
  const { logger } = deps;
  const { auditKey, source, identity } = stores;
  const { apiToken, webhookSecret, git, access: { oidc, publicUrl, trustedProxies = [] } = {} } = config;
  const agents = createAgentServer(config.agentTls, identity, deps.deliveryLimits?.listener);
  parts.delivery.attach(agents);
  const connections = new ConnectionLimiter(API_CONNECTION_LIMITS, clock);
  const access = createAccess({ apiToken, oidc, publicUrl }, { records: ledger.records, clock, logger: logger.child({ step: 'access' }) });
  const backup = async (target: Writable): Promise<void> => {
    const reader = await openReader(config.database);
    try {
      await writeBackup(reader, { version: deps.version, key: auditKey }, target);
    } finally {
      await reader.close();
    }
  };
  const shareHint = (traceparent?: string): void => {
    deps.traces?.hinted(traceparent);
    source.hint();
    ledger.shareHint();
  };
  const api = createApi(
    {
      webhookSecret,
      trustedProxies,
      dashboard: DASHBOARD,
      git: { url: git.url, ref: git.ref },
      auditKey: auditKey.id,
      ...(config.maxBehindMs && { maxBehindMs: config.maxBehindMs }),
    },
    {
      ledger,
      fleet: parts.fleet,
      source: { hint: shareHint, documents: source.documents },
      agents: parts.inspector,
      access,
      alerts: parts.alerts,
      issues: parts.issues,
      onAudit: recordAudit({ ledger, logger }),
      enrolment: identity && { identity: identity.identity, agentUrl: () => agentUrl },
      backup,
      runtime: { clock, logger: logger.child({ step: 'serve' }), registry, shutdown, connections },
    },
  );
  const [agentListener, apiListener] = await listenBoth(
    [agents, config.agentListen],
    [createApiServer(api, connections), config.listen],
    shutdown,
  );
  const agentUrl = agentUrlOf(agentListener, identity);
  return {
    url: apiListener.url,
    agentUrl,
    keepCertificate: (signal) => keepCertificate(agents, identity, signal),
    closed: [agentListener.closed, apiListener.closed],
  };
};
