import {
  type Clock,
  createShutdown,
  type Logger,
  PauseDetector,
  type Runtime,
  type Shutdown,
  settlesWithin,
  systemClock,
  untilAborted,
} from '@fso/shared/runtime';
import { collectDefaultMetrics, Registry } from 'prom-client';
import { type HubConfig, warnOfSharedFiles } from './config/config.ts';
import { createOffers, DEFAULT_DELIVERY_LIMITS, Delivery, type DeliveryLimits, Inspector, RevisionTargets } from './delivery/index.ts';
import { authenticateByToken, certificatesOf, type Identity, type OpenIdentityOptions, openIdentity } from './identity/index.ts';
import { backUp, createCheckpoints, type Ledger, openAuditKey, openLedger } from './ledger/index.ts';
import { createHubMetrics, registerHubReadings } from './metrics.ts';
import { Planner } from './plans/index.ts';
import { lifeEntry, recordAudit, recordIdentity, recordSource } from './recorders/index.ts';
import { Activity, ApprovalRelay, type CommitTracer, createTrendRecorder, Pipeline, TagCheck, WaveController } from './rollout/index.ts';
import { DEFAULT_MAX_BEHIND_MS, FleetReader, openAlerts, openListeners } from './serve/index.ts';
import { Branches, openSource, type Source } from './source/index.ts';

/** Dependencies that a program or a test injects. Optional ones have defaults. */
export interface HubDeps extends Pick<Runtime, 'logger' | 'random'> {
  readonly version: string;
  /** Whether to collect the default metrics of Node.js. Set by programs. */
  readonly processMetrics?: boolean;
  readonly clock?: Clock;
  readonly ledger?: Ledger;
  readonly deliveryLimits?: Partial<DeliveryLimits>;
  readonly identityLimits?: OpenIdentityOptions['limits'];
  /** Tracer of commits; undefined: tracing is off. */
  readonly tracer?: CommitTracer | undefined;
}

/** Hub that is running. */
export interface RunningHub {
  /** Base URL of the API. */
  readonly url: string;
  /** Base URL of the agents' listener, `ws:` or `wss:`. */
  readonly agentUrl: string;
  readonly ledger: Ledger;
  readonly source: Source;
  /** Enrolment and revocation of agents; undefined if agents do not enrol. */
  readonly identity: Identity | undefined;
  readonly registry: Registry;
  /** Number of offers created so far, for all agents. */
  offersMade(): number;
  stop(): Promise<void>;
  /**
   * Resolves when the hub has stopped because of `stop` or the signal. Rejects if a part failed.
   */
  readonly stopped: Promise<void>;
}

/**
 * Time that parts and open requests have to end, in milliseconds. Requests are aborted a little
 * earlier.
 */
const STOP_MS = 6_000;

interface HubParts {
  /** Parts that run until the signal aborts. */
  readonly runs: readonly ((signal: AbortSignal) => Promise<void>)[];
  /** Resolve when the listeners are closed. */
  readonly closed: readonly Promise<void>[];
  readonly shutdown: Shutdown;
  readonly ledger: Ledger;
}

/** Runs the parts until shutdown. @throws the error of the part that failed first */
const runParts = async ({ runs, closed, shutdown: { closing, closeNow } }: HubParts, logger: Logger): Promise<void> => {
  const failures: unknown[] = [];
  const parts = runs.map((run) => run(closing));
  Promise.all(parts).catch((error: unknown) => {
    failures.push(error);
    logger.fatal({ err: error }, 'a part of the hub failed');
    closeNow();
  });
  await untilAborted(closing);
  // Closing the ledger refuses pending writes, so an unresponsive database does not block the hub.
  if (!(await settlesWithin(Promise.allSettled([...parts, ...closed]), STOP_MS))) logger.warn('parts of the hub did not end in time');
  if (failures.length > 0) throw failures[0];
};

/**
 * Runs all parts until the hub stops, then closes the ledger. If one part fails, all of them end
 * and the process can be restarted: a hub that listens but does not work is useless.
 *
 * @throws the error of the part that failed first
 */
const runUntilStopped = async (parts: HubParts, { logger, version }: HubDeps): Promise<void> => {
  const { ledger } = parts;
  try {
    await runParts(parts, logger);
  } finally {
    // Not awaited: an unavailable database must not keep the hub from stopping. Closing the ledger
    // waits only for a limited time.
    ledger.audit.append(lifeEntry('hub.stop', version)).catch((err: unknown) => logger.error({ err }, 'ledger write failed'));
    await ledger.close();
    logger.info('hub stopped');
  }
};

/**
 * Starts a hub. Resolves once both listeners accept connections. If a part cannot be started,
 * everything that was opened is closed again.
 *
 * @throws ConfigError, LedgerError, or an Error whose message names the remedy
 */
export const startHub = async (config: HubConfig, deps: HubDeps, signal: AbortSignal): Promise<RunningHub> => {
  const { random, clock = systemClock } = deps;
  const registry = new Registry();
  if (deps.processMetrics === true) collectDefaultMetrics({ register: registry });
  const metrics = createHubMetrics(registry);
  const log = (step: string): Logger => deps.logger.child({ step });
  const onCommit = (result: 'ok' | 'error', seconds: number): void => metrics.step('ledger', result, seconds);
  const ledger = deps.ledger ?? (await openLedger({ ...config, clock, random, logger: log('ledger'), onCommit }, signal));
  try {
    return await startParts({ config, deps, signal, random, clock, registry, metrics, log, ledger });
  } catch (error) {
    await ledger.close();
    throw error;
  }
};

interface Hub extends Required<Pick<HubDeps, 'clock' | 'random' | 'ledger'>> {
  readonly config: HubConfig;
  readonly deps: HubDeps;
  readonly signal: AbortSignal;
  readonly registry: Registry;
  readonly metrics: ReturnType<typeof createHubMetrics>;
  readonly log: (step: string) => Logger;
}

/**
 * Opens the persistent state besides the ledger: audit key, repository clone and agent identities.
 */
const openStores = async ({ config, deps, random, clock, metrics, log, ledger }: Hub) => {
  const { git, identity: enrolment, maxBehindMs = DEFAULT_MAX_BEHIND_MS } = config;
  const auditKey = await openAuditKey(ledger.audit, config);
  await ledger.audit.append(lifeEntry('hub.start', deps.version, { repository: git.url, ref: git.ref }));
  const repository = { ...git, proxy: config.proxy, dataDir: config.dataDir };
  const source = await openSource(repository, { clock, logger: log('source'), random, metrics });
  const branches = new Branches(repository, { clock, logger: log('source'), metrics, followed: source.objects });
  const logger = log('identity');
  const state = { isWritable: () => ledger.health().ok, isCurrent: () => ledger.behindMs() <= maxBehindMs };
  const onEvent = recordIdentity({ ledger, clock, logger });
  const identity =
    enrolment &&
    (await openIdentity(
      { ...config, ...enrolment, limits: deps.identityLimits },
      { clock, logger, records: ledger.records, state, onEvent },
    ));
  await warnOfSharedFiles(config, deps.logger);
  return { auditKey, source, branches, identity };
};

const startParts = async (hub: Hub): Promise<RunningHub> => {
  const { config, deps, signal, random, clock, registry, metrics, log, ledger } = hub;
  const { logger, version, tracer } = deps;
  const pauses = new PauseDetector({ clock });
  const { auditKey, source, branches, identity } = await openStores(hub);
  const checkpoints = createCheckpoints({ ledger, key: auditKey, clock, logger: log('ledger') });

  // Steps ① to ④: source → pipeline → delivery, and what records their progress.
  const offers = createOffers(source.objects);
  const targets = new RevisionTargets();
  const delivery = new Delivery(
    identity?.authenticate ?? authenticateByToken(config.agentTokens),
    { version, limits: { ...DEFAULT_DELIVERY_LIMITS, ...deps.deliveryLimits } },
    { ledger, offers, checkpoints, targets, approvals: source.approvals, clock, logger: log('delivery'), metrics: metrics.delivery },
  );
  const fleet = new FleetReader({ ledger, clock, version });
  const history = { ledger, clock, logger: log('activity') };
  const tags = new TagCheck({ trust: config.git.trust, source, clock });
  const rollout = new WaveController({ ledger, targets, delivery, source, tags, tracer, clock, logger: log('release') });
  new ApprovalRelay({ ledger, source, targets, delivery, tags, logger: log('release') }).open();
  const activity = new Activity({ ...history, metrics: metrics.rollout, tracer, inWaves: () => rollout.areInForce });
  const trend = createTrendRecorder({ ...history, counts: () => fleet.readStatus() });
  const onDone = activity.done.bind(activity);
  const pipeline = new Pipeline({ ledger, targets, delivery, waves: rollout, clock, logger: log('compile'), metrics, onDone });
  source.onRevision((revision) => activity.take(revision));
  source.onRevision((revision) => pipeline.take(revision));
  source.onRejected((rejected) => activity.reject(rejected));
  ledger.onSharedHint(() => source.hint());
  // The database lost commits. Agents that reconnect report again.
  ledger.subscribe(({ kind }) => {
    if (kind === 'lost') delivery.endStreams();
  });
  identity?.identity.subscribe((cluster) => delivery.recheck(cluster));
  pauses.onPause((pausedMs) => {
    logger.warn({ pausedMs }, 'this process was paused: what agents reported before may be out of date');
    delivery.suspendObservation();
    rollout.watchAgain();
  });
  await recordSource(source, { ledger, clock, logger });

  // Step ⑨: issues, alerts, metrics and the API.
  const certificates = () => certificatesOf(config.agentTls, identity);
  const served = { ledger, fleet, auditKey: auditKey.id };
  const alerting = {
    isAwaitingAgents: () => delivery.isAwaitingAgents,
    clock,
    pauses,
    rollout,
    logger: log('alerts'),
    random,
    metrics: metrics.alerts,
  };
  const { issues, alerts } = openAlerts(config, { ...served, ...alerting, certificates: certificates() });
  const queues = () => ({ ...delivery.queues(), ledger: ledger.waitingWrites() });
  registerHubReadings(registry, { queues, certificates, lateShare: () => pauses.lateShare(), rollout: () => rollout.readings() });
  const shutdown = createShutdown(signal, { clock, delayMs: config.shutdownDelayMs ?? 0 });
  const agents = new Inspector(delivery, ledger);
  const { url, agentUrl, keepCertificate, closed } = await openListeners(config, {
    ...{ ...served, issues, alerts, rollout, source, tracer, delivery, identity, limits: deps.deliveryLimits?.listener },
    agents,
    plans: new Planner({ ledger, agents, branches, clock }),
    backup: (target) => backUp(config.database, { version, key: auditKey }, target),
    onAudit: recordAudit({ ledger, logger }),
    runtime: { clock, logger, registry, shutdown },
  });

  // Parts run concurrently and end together. The ledger is closed after them.
  const parts = [pauses, source, branches, delivery, rollout, checkpoints, activity, trend, alerts];
  const runs = [...parts.map((part) => (until: AbortSignal) => part.run(until)), keepCertificate];
  const stopped = runUntilStopped({ runs, closed, shutdown, ledger }, deps);
  logger.info({ url, agentUrl, git: source.state().url, ref: config.git.ref }, 'hub started');
  const stop = (): Promise<void> => {
    shutdown.begin();
    return stopped;
  };
  return { url, agentUrl, ledger, source, identity: identity?.identity, registry, offersMade: () => offers.made(), stopped, stop };
};
