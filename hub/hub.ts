import { X509Certificate } from 'node:crypto';
import { flushCompileCache } from 'node:module';
import {
  ConfigError,
  createLogger,
  createShutdown,
  type Environment,
  type Logger,
  openLogOutput,
  PauseDetector,
  proxyFetch,
  type Shutdown,
  settlesWithin,
  startWatchdog,
  systemClock,
  untilAborted,
} from '@fso/shared/runtime';
import { ActiveSpans, openTelemetry, type TelemetryConfig } from '@fso/shared/telemetry';
import { collectDefaultMetrics, Registry } from 'prom-client';
import type { CommitTraces } from './commit-traces.ts';
import { type HubConfig, loadHubConfig } from './config/config.ts';
import { createOffers, DEFAULT_DELIVERY_LIMITS, Delivery, Inspector, RevisionTargets } from './delivery/index.ts';
import { authenticateByToken, type Identity } from './identity/index.ts';
import { type Ledger, LedgerError, openLedger } from './ledger/index.ts';
import { createHubMetrics, type HubReadings, registerHubReadings, type StepResult } from './metrics.ts';
import manifest from './package.json' with { type: 'json' };
import { lifeEntry, recordSource } from './recorders/index.ts';
import { Activity, createTrendRecorder, Pipeline } from './rollout/index.ts';
import { FleetReader } from './serve/index.ts';
import type { Source } from './source/index.ts';
import {
  type HubContext,
  type HubDeps,
  type Listeners,
  openAlerts,
  openListeners,
  openStores,
  type ServedParts,
  type Stores,
} from './startup.ts';

export type { HubDeps } from './startup.ts';

export interface RunningHub {
  /** Base URL of the API. */
  readonly url: string;
  /** Base URL of the agents' listener, `ws:` or `wss:`. */
  readonly agentUrl: string;
  readonly ledger: Ledger;
  readonly source: Source;
  /** Decides on the cluster of each agent; undefined if agents do not enrol. */
  readonly identity: Identity | undefined;
  readonly registry: Registry;
  /** Number of offers made, for all agents. */
  offersMade(): number;
  stop(): Promise<void>;
  /**
   * Resolves when the hub has stopped, by `stop` or by the signal; rejects when it stopped because
   * a part of it failed.
   */
  readonly stopped: Promise<void>;
}

/** Milliseconds that parts and open requests have to end; requests are cut a little earlier. */
const STOP_MS = 6_000;
/** A part runs until aborted. */
type RunPart = (signal: AbortSignal) => Promise<void>;

interface Parts extends ServedParts {
  readonly offersMade: () => number;
  readonly runs: readonly RunPart[];
}

/** Expiry of the certificates of the agents' listener and of their CA. */
const certificatesOf = ({ agentTls }: HubConfig, identity: Stores['identity']): ReturnType<HubReadings['certificates']> => {
  if (identity !== undefined) return identity.expiries();
  return agentTls === undefined ? {} : { server: new X509Certificate(agentTls.cert).validToDate };
};

/** Wires steps ① to ⑧: source → pipeline → delivery, with the recorders beside them. */
const createParts = async (context: HubContext, stores: Stores): Promise<Parts> => {
  const { checkpoints, source, identity } = stores;
  const { config, deps, clock, pauses, ledger, metrics, registry } = context;
  const { logger, version, traces } = deps;
  const history = { ledger, clock, logger: logger.child({ step: 'activity' }) };
  const activity = new Activity({ ...history, metrics: metrics.rollout });
  const fleet = new FleetReader({ ledger, clock, version });
  const trend = createTrendRecorder({ ...history, counts: () => fleet.readStatus() });
  const { issues, alerts } = openAlerts(context, stores, fleet);
  const offers = createOffers(source.objects);
  const targets = new RevisionTargets();
  const limits = { ...DEFAULT_DELIVERY_LIMITS, ...deps.deliveryLimits };
  const delivery = new Delivery(
    identity?.authenticate ?? authenticateByToken(config.agentTokens),
    { version, limits },
    { ledger, offers, checkpoints, targets, clock, logger: logger.child({ step: 'delivery' }), metrics: metrics.delivery, traces },
  );
  pauses.onPause((pausedMs) => {
    logger.warn({ pausedMs }, 'this process was paused: what agents said before is not known to be so now');
    delivery.suspendObservation();
  });
  const queues = () => ({ ...delivery.queues(), ledger: ledger.waitingWrites() });
  registerHubReadings(registry, { queues, certificates: () => certificatesOf(config, identity), lateShare: () => pauses.lateShare() });
  const inspector = new Inspector(delivery, ledger);
  const compileLogger = logger.child({ step: 'compile' });
  const pipeline = new Pipeline({
    ledger,
    targets,
    delivery,
    clock,
    logger: compileLogger,
    metrics,
    onDone: (step, revision) => activity.done(step, revision),
    traces,
  });
  identity?.identity.subscribe((cluster) => delivery.recheck(cluster));
  traces?.follow(source, ledger);
  source.onRevision((revision) => activity.take(revision));
  source.onRevision((revision) => pipeline.take(revision));
  source.onRejected((rejected) => activity.reject(rejected));
  ledger.onSharedHint(() => source.hint());
  await recordSource(source, { ledger, clock, logger });
  const runs: RunPart[] = [
    (signal) => pauses.run(signal),
    (signal) => source.run(signal),
    (signal) => delivery.run(signal),
    checkpoints.run,
    (signal) => activity.run(signal),
    trend.run,
    (signal) => alerts.run(signal),
  ];
  return { delivery, inspector, fleet, issues, alerts, offersMade: () => offers.made(), runs };
};

/**
 * Ends all parts when one fails: a hub that listens without working is useless, while a hub that
 * ends is restarted.
 */
const closeOnFailure = (
  parts: readonly Promise<void>[],
  { closeNow }: Shutdown,
  logger: Logger,
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

/**
 * Runs all parts until the hub stops, then closes the ledger. @throws the error of the part that
 * failed first
 */
const runParts = async (
  { deps, ledger }: HubContext,
  runs: readonly RunPart[],
  listeners: Listeners,
  shutdown: Shutdown,
): Promise<void> => {
  const { logger, version } = deps;
  const until = shutdown.closing;
  const parts = [...runs.map((run) => run(until)), untilAborted(until)];
  const { throwIfFailed } = closeOnFailure(parts, shutdown, logger);
  await untilAborted(until);
  // Closing the ledger refuses pending writes, so a database that hangs does not block the hub.
  const ended = Promise.allSettled([...parts, ...listeners.closed]);
  if (!(await settlesWithin(ended, STOP_MS))) logger.warn('parts of the hub did not end in time');
  try {
    throwIfFailed();
  } finally {
    // An unavailable database must not keep the hub from stopping: closing the ledger waits only
    // for a limited time.
    ledger.audit.append(lifeEntry('hub.stop', version)).catch((err: unknown) => logger.error({ err }, 'ledger write failed'));
    await ledger.close();
    logger.info('hub stopped');
  }
};

/**
 * Starts a hub: opens its stores, wires steps ① to ⑨, opens both listeners and runs the parts.
 * Resolves once both listeners answer. If any of this fails, nothing stays open.
 *
 * @throws ConfigError, LedgerError and Error with a remedy
 */
export const startHub = async (config: HubConfig, deps: HubDeps, signal: AbortSignal): Promise<RunningHub> => {
  const { logger, random, clock = systemClock } = deps;
  const registry = new Registry();
  if (deps.processMetrics === true) collectDefaultMetrics({ register: registry });
  const metrics = createHubMetrics(registry);
  const onCommit = (result: StepResult, seconds: number): void => metrics.step('ledger', result, seconds);
  const ledger =
    deps.ledger ?? (await openLedger({ ...config, clock, random, logger: logger.child({ step: 'ledger' }), onCommit }, signal));
  try {
    const pauses = new PauseDetector({ clock });
    const context: HubContext = { config, deps, clock, pauses, ledger, registry, metrics };
    const stores = await openStores(context);
    const parts = await createParts(context, stores);
    const shutdown = createShutdown(signal, { clock, delayMs: config.shutdownDelayMs ?? 0 });
    const listeners = await openListeners(context, stores, parts, shutdown);
    const stopped = runParts(context, [...parts.runs, listeners.keepCertificate], listeners, shutdown);
    const { url, agentUrl } = listeners;
    logger.info({ url, agentUrl, git: stores.source.state().url, ref: config.git.ref }, 'hub started');
    return {
      url,
      agentUrl,
      ledger,
      source: stores.source,
      identity: stores.identity?.identity,
      registry,
      offersMade: parts.offersMade,
      stopped,
      stop: async () => {
        shutdown.begin();
        await stopped;
      },
    };
  } catch (error) {
    await ledger.close();
    throw error;
  }
};

const runUntilStopped = async (env: Environment, signal: AbortSignal): Promise<void> => {
  const config = await loadHubConfig(env);
  startWatchdog();
  const active = config.telemetry && new ActiveSpans();
  const destination = openLogOutput();
  const logger = createLogger({ name: 'fso-hub', level: config.logLevel, destination, mixin: active?.fieldsFor });
  for (const file of config.secretFiles ?? []) file.logTo(logger);
  if (config.proxy !== undefined) void proxyFetch(config.proxy, systemClock, signal);
  const tracing = config.telemetry && active && (await startTracing(config.telemetry, active, logger));
  const deps = { logger, version: manifest.version, random: Math.random, processMetrics: true, traces: tracing?.traces };
  try {
    const hub = await startHub(config, deps, signal);
    // Otherwise only an orderly end writes the cache that saves the next start from stripping types
    // and compiling.
    flushCompileCache();
    await hub.stopped;
  } finally {
    await tracing?.stop();
  }
};

interface Tracing {
  readonly traces: CommitTraces;
  /** Ends all spans and exports them. */
  readonly stop: () => Promise<void>;
}

const startTracing = async (config: TelemetryConfig, active: ActiveSpans, logger: Logger): Promise<Tracing> => {
  const { tracer, stop } = await openTelemetry(config, { name: 'fso-hub', version: manifest.version }, logger);
  // Imported on demand, as all that is behind it: a hub without traces loads nothing of
  // OpenTelemetry but what its metrics do.
  const { CommitTraces } = await import('./commit-traces.ts');
  const traces = new CommitTraces({ tracer, active, clock: systemClock });
  return {
    traces,
    stop: () => {
      traces.stop();
      return stop();
    },
  };
};

/** Whether the message tells people how to fix the cause, so that a stack would not help. */
const isForPeople = (error: unknown): error is Error =>
  error instanceof ConfigError || error instanceof LedgerError || (error instanceof Error && error.message.startsWith('cannot listen'));

/**
 * Runs the hub of a program: reads its settings from the environment, starts it, and resolves once
 * it has stopped. An error goes to the standard error output.
 *
 * @param signal stops the hub
 * @returns exit code: 0 when the hub was stopped, 1 when it could not start or a part of it failed
 */
export const runHub = async (env: Environment, signal: AbortSignal): Promise<0 | 1> => {
  try {
    await runUntilStopped(env, signal);
    return 0;
  } catch (error) {
    // Stopped before the start was complete.
    if (signal.aborted && error === signal.reason) return 0;
    console.error(isForPeople(error) ? error.message : error);
    return 1;
  }
};
