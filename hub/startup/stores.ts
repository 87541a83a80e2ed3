import { join } from 'node:path';
import type { Clock, Logger } from '@fso/shared/runtime';
import type { Registry } from 'prom-client';
import type { HubConfig } from '../config/config.ts';
import { warnOfSharedKeys } from '../config/key-files.ts';
import type { DeliveryLimits } from '../delivery/index.ts';
import {
  type AgentListenerIdentity,
  type Authority,
  agreeOnAuthority,
  createEnrolmentStore,
  type OpenIdentityOptions,
  openIdentity,
} from '../identity/index.ts';
import { type AuditKey, type Checkpoints, checkAuditKey, createCheckpoints, type Ledger, loadAuditKey } from '../ledger/index.ts';
import type { HubMetrics } from '../metrics.ts';
import { lifeEntry, recordIdentity } from '../recorders/index.ts';
import { DEFAULT_MAX_BEHIND_MS } from '../serve/index.ts';
import { openSource, type Source } from '../source/index.ts';

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
}

/** What every part of one hub is made with. */
export interface HubContext {
  readonly config: HubConfig;
  readonly deps: HubDeps;
  readonly clock: Clock;
  readonly ledger: Ledger;
  readonly registry: Registry;
  readonly metrics: HubMetrics;
}

/** Whether other hubs may be on the same database. */
const isShared = ({ database }: HubConfig): boolean => 'url' in database;

/** @returns undefined where agents have static tokens alone */
const openListenerIdentity = async ({ config, deps, clock, ledger }: HubContext): Promise<AgentListenerIdentity | undefined> => {
  if (config.identity === undefined) return undefined;
  const { dataDir: folder, agentTls, agentListen: listen, agentTokens: tokens, maxBehindMs = DEFAULT_MAX_BEHIND_MS } = config;
  const logger = deps.logger.child({ step: 'identity' });
  const options = { folder, ...config.identity, serverCertificate: agentTls, listen, tokens, limits: deps.identityLimits };
  const store = createEnrolmentStore(ledger.records);
  const checkAuthority = isShared(config) ? (authority: Authority) => agreeOnAuthority(ledger.records, authority) : undefined;
  const state = { isWritable: () => ledger.health().ok, isCurrent: () => ledger.behindMs() <= maxBehindMs };
  return openIdentity(options, { clock, logger, store, state, checkAuthority, onEvent: recordIdentity({ ledger, clock, logger }) });
};

/** What outlives the process, beside the ledger. */
export interface Stores {
  readonly auditKey: AuditKey;
  readonly checkpoints: Checkpoints;
  readonly source: Source;
  readonly identity: AgentListenerIdentity | undefined;
}

/**
 * Opens what the hub keeps on its disk, and checks it.
 *
 * @throws ConfigError or LedgerError that says what to put right
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
    { ...git, dataDir },
    { clock, logger: logger.child({ step: 'source' }), random: deps.random, metrics: metrics.source },
  );
  const identity = await openListenerIdentity(context);
  const caFiles = config.identity === undefined ? [] : ['identity', 'identity/ca.key'].map((name) => join(dataDir, name));
  await warnOfSharedKeys([config.auditKeyFile, ...caFiles, ...(config.keyFiles ?? [])], logger);
  return { auditKey, checkpoints, source, identity };
};
