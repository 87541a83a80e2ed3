import { join } from 'node:path';
import { MAX_FRAME_BYTES } from '@fso/shared/protocol';
import {
  type Clock,
  createMetricsRegistry,
  createShutdown,
  type ListenAddress,
  type Listening,
  listen,
  nodeHttp,
  type Shutdown,
  settlesWithin,
  systemClock,
  untilAborted,
} from '@fso/shared/runtime';
import type pino from 'pino';
import type { Registry } from 'prom-client';
import { createAccess, createTokenRecords } from './access/index.ts';
import type { HubConfig } from './config/config.ts';
import { warnOfSharedKeys } from './config/key-files.ts';
import { type AnyServer, createAgentServer, keepCertificate } from './delivery/agent-server.ts';
import { createDelivery, createOffers, DEFAULT_AGENT_LIMITS, type Delivery, type DeliveryLimits, tokenGate } from './delivery/index.ts';
import {
  type AgentListenerIdentity,
  type Authority,
  agreeOnAuthority,
  createRecordStore,
  type Identity,
  type OpenIdentityOptions,
  openIdentity,
} from './identity/index.ts';
import { checkAuditKey, createCheckpoints, type Ledger, loadAuditKey, openLedger } from './ledger/index.ts';
import { createHubMetrics } from './metrics.ts';
import { recordAudit } from './recorders/audit.ts';
import { recordIdentity } from './recorders/identity.ts';
import { lifeEntry } from './recorders/life.ts';
import { recordSource } from './recorders/source.ts';
import { createActivity, createTrendRecorder } from './rollout/history/index.ts';
import { createPipeline } from './rollout/pipeline.ts';
import { createApi, createFleetIndex, DEFAULT_MAX_BEHIND_MS, statusOf } from './serve/index.ts';
import { createSource, type Source } from './source/index.ts';

export interface HubDeps {
  readonly logger: pino.Logger;
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

export interface RunningHub {
  /** Base URL of the API. */
  readonly url: string;
  /** Base URL of the agents' listener, `ws:` or `wss:`. */
  readonly agentUrl: string;
  readonly ledger: Ledger;
  readonly source: Source;
  /** Who may be which cluster; undefined where agents do not enrol. */
  readonly identity: Identity | undefined;
  readonly registry: Registry;
  /** Frames of offers made, whoever they were sent to. */
  offersMade(): number;
  stop(): Promise<void>;
  /** Resolves when the hub has stopped, by `stop` or by the signal; rejects when it stopped because a part of it failed. */
  readonly stopped: Promise<void>;
}

export const DEFAULT_DELIVERY_LIMITS: DeliveryLimits = {
  helloMs: 10_000,
  maxSilent: 4,
  heartbeatMs: 15_000,
  stallMs: 30_000,
  maxBufferedBytes: 4 * 1024 * 1024,
  maxFrameBytes: MAX_FRAME_BYTES,
  agent: DEFAULT_AGENT_LIMITS,
};

/** Of parts and requests under way; the requests are cut a little earlier. */
const STOP_MS = 6_000;
const DASHBOARD = join(import.meta.dirname, 'dashboard', 'dist');

/** Whether other hubs may be on the same database. */
const isShared = ({ database }: HubConfig): boolean => 'url' in database;

/** undefined where agents have static tokens alone. */
const openListenerIdentity = async (config: HubConfig, deps: HubDeps, ledger: Ledger): Promise<AgentListenerIdentity | undefined> => {
  if (config.identity === undefined) return undefined;
  const { dataDir: folder, agentTls, agentListen: listen, agentTokens: tokens } = config;
  const clock = deps.clock ?? systemClock;
  const logger = deps.logger.child({ step: 'identity' });
  const options = { folder, ...config.identity, serverCertificate: agentTls, listen, tokens, limits: deps.identityLimits };
  const store = createRecordStore(ledger.records);
  const checkAuthority = isShared(config) ? (authority: Authority) => agreeOnAuthority(ledger.records, authority) : undefined;
  const { maxBehindMs = DEFAULT_MAX_BEHIND_MS } = config;
  const state = { isWritable: () => ledger.health().ok, isCurrent: () => ledger.behindMs() <= maxBehindMs };
  return openIdentity(options, { clock, logger, store, state, checkAuthority, onEvent: recordIdentity({ ledger, clock, logger }) });
};

/** What agents of other machines are told to dial. */
const agentUrlOf = (listening: Listening, agents: AgentListenerIdentity | undefined): string => {
  const host = agents?.hosts[0];
  if (host === undefined) return listening.url.replace(/^http/, 'ws');
  return `wss://${host.includes(':') ? `[${host}]` : host}:${listening.port}`;
};

/** Either both listeners answer or none is left behind. */
const listenBoth = async (
  first: readonly [AnyServer, ListenAddress],
  second: readonly [AnyServer, ListenAddress],
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

/** A part that fails takes the others with it: a hub that listens and does nothing helps nobody, one that has ended is started again. */
const closeOnFailure = (
  parts: readonly Promise<void>[],
  { closeNow }: Shutdown,
  logger: pino.Logger,
): { readonly throwIfFailed: () => void } => {
  let failure: { readonly error: unknown } | undefined;
  Promise.all(parts).catch((error: unknown) => {
    failure = { error };
    logger.fatal({ err: error }, 'a part of the hub failed');
    closeNow();
  });
  return {
    throwIfFailed: () => {
      if (failure !== undefined) throw failure.error;
    },
  };
};

/** Wires steps ① to ⑨ and starts them; resolves once both listeners answer. Whatever fails, nothing is left open. */
export const startHub = async (config: HubConfig, deps: HubDeps, signal: AbortSignal): Promise<RunningHub> => {
  const { logger, random, clock = systemClock } = deps;
  const ledger = deps.ledger ?? (await openLedger({ ...config, clock, random, logger: logger.child({ step: 'ledger' }) }, signal));
  try {
    return await startOn(config, { ...deps, clock, ledger }, signal);
  } catch (error) {
    await ledger.close();
    throw error;
  }
};

const startOn = async (
  config: HubConfig,
  deps: HubDeps & { readonly clock: Clock; readonly ledger: Ledger },
  signal: AbortSignal,
): Promise<RunningHub> => {
  const { logger, version, clock, ledger } = deps;
  const registry = createMetricsRegistry({ processMetrics: deps.processMetrics ?? false });
  const metrics = createHubMetrics(registry);
  const { git, dataDir } = config;
  const auditKey = await loadAuditKey(config.auditKeyFile);
  await checkAuditKey(ledger.audit, { id: auditKey.id, file: config.auditKeyFile, accept: config.acceptNewAuditKey ?? false });
  const checkpoints = createCheckpoints({ ledger, key: auditKey, clock, logger: logger.child({ step: 'ledger' }) });
  await ledger.audit.append(lifeEntry('hub.start', version, { repository: git.url, ref: git.ref }));
  const source = await createSource(
    { ...git, dataDir },
    { clock, logger: logger.child({ step: 'source' }), random: deps.random, metrics: metrics.source },
  );
  const offers = createOffers(source.objects);
  const remembering = { ledger, clock, logger: logger.child({ step: 'activity' }) };
  const activity = createActivity(remembering);
  const fleet = createFleetIndex();
  const counts = () => statusOf({ ledger, fleet, clock, config: { version } });
  const trend = createTrendRecorder({ ...remembering, counts });
  const pipeline = createPipeline({
    ledger,
    clock,
    logger: logger.child({ step: 'compile' }),
    metrics,
    delivery: (): Delivery => delivery,
    onDone: activity.done,
  });
  const agentIdentity = await openListenerIdentity(config, deps, ledger);
  const caFiles = config.identity === undefined ? [] : ['identity', 'identity/ca.key'].map((name) => join(dataDir, name));
  await warnOfSharedKeys([config.auditKeyFile, ...caFiles, ...(config.keyFiles ?? [])], logger);
  const delivery = createDelivery(agentIdentity?.gate ?? tokenGate(config.agentTokens), {
    ledger,
    offers,
    checkpoints,
    clock,
    version,
    logger: logger.child({ step: 'delivery' }),
    metrics: metrics.delivery,
    limits: { ...DEFAULT_DELIVERY_LIMITS, ...deps.deliveryLimits },
    target: pipeline.target,
    digestOf: pipeline.digestOf,
  });
  agentIdentity?.identity.subscribe((cluster) => delivery.recheck(cluster));
  source.onRevision(activity.take);
  source.onRevision(pipeline.take);
  source.onRejected(activity.reject);
  ledger.onSharedHint(source.hint);
  await recordSource(source, { ledger, clock, logger });

  const shutdown = createShutdown(signal, { clock, delayMs: config.shutdownDelayMs ?? 0 });
  const until = shutdown.closing;
  const agents = createAgentServer(config.agentTls, agentIdentity);
  delivery.attach(agents);
  const { apiToken, webhookSecret, access: { oidc, publicUrl, trustedProxies = [] } = {} } = config;
  const access = createAccess(
    { apiToken, oidc, publicUrl },
    {
      tokens: createTokenRecords(ledger.records),
      records: ledger.records,
      clock,
      logger: logger.child({ step: 'access' }),
    },
  );
  const api = createApi({
    ledger,
    fleet,
    auditKey: auditKey.id,
    source: {
      hint: () => {
        source.hint();
        ledger.shareHint();
      },
    },
    documents: source.documents,
    access,
    onAudit: recordAudit({ ledger, logger }),
    config: {
      webhookSecret,
      version,
      trustedProxies,
      dashboard: DASHBOARD,
      git: { url: git.url, ref: git.ref },
      ...(config.maxBehindMs && { maxBehindMs: config.maxBehindMs }),
    },
    registry,
    clock,
    logger: logger.child({ step: 'serve' }),
    shutdown,
    ...(agentIdentity && { enrolment: { identity: agentIdentity.identity, agentUrl: () => agentUrl } }),
  });
  const listeners = await listenBoth([agents, config.agentListen], [nodeHttp.createServer(api), config.listen], shutdown);
  const [agentListener, apiListener] = listeners;
  const agentUrl = agentUrlOf(agentListener, agentIdentity);

  const certificate = keepCertificate(agents, agentIdentity, until);
  const parts = [
    source.run(until),
    delivery.run(until),
    checkpoints.run(until),
    activity.run(until),
    trend.run(until),
    certificate,
    untilAborted(until),
  ];
  const close = async (): Promise<void> => {
    // A database that is away must not keep the hub from stopping: closing the ledger waits as long as is sensible.
    ledger.audit.append(lifeEntry('hub.stop', version)).catch((err: unknown) => logger.error({ err }, 'ledger write failed'));
    await ledger.close();
    logger.info('hub stopped');
  };
  const work = async (): Promise<void> => {
    const { throwIfFailed } = closeOnFailure(parts, shutdown, logger);
    await untilAborted(until);
    // What waits for the ledger is refused once that is closed: a database that hangs does not hang the hub.
    const ended = Promise.allSettled([...parts, ...listeners.map(({ closed }) => closed)]);
    if (!(await settlesWithin(ended, STOP_MS))) logger.warn('parts of the hub did not end in time');
    try {
      throwIfFailed();
    } finally {
      await close();
    }
  };
  const stopped = work();
  logger.info({ url: apiListener.url, agentUrl, git: source.state().url, ref: git.ref }, 'hub started');
  return {
    url: apiListener.url,
    agentUrl,
    ledger,
    source,
    identity: agentIdentity?.identity,
    registry,
    offersMade: offers.made,
    stopped,
    stop: async () => {
      shutdown.begin();
      await stopped;
    },
  };
};
