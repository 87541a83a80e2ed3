import type { RequestListener, ServerResponse } from 'node:http';
import { type KubeObject, SYSTEM_NAMESPACE } from '@fso/shared/api';
import { createInformers, createKubeClient, type KubeClient, NAMESPACE_KIND } from '@fso/shared/kube';
import { type Clock, createBackoff, type Logger, listen, messageOf, PauseDetector, systemClock } from '@fso/shared/runtime';
import { collectDefaultMetrics, Registry } from 'prom-client';
import { adoptGuard, bootstrapCluster, readDefinitions, trustOf, whoAmI } from './bootstrap.ts';
import { ClusterView } from './cache/index.ts';
import type { AgentConfig } from './config.ts';
import { injectionKinds } from './enforce/index.ts';
import { type AgentParts, type AgentStatus, runLeaderTerms, uninstallRequestIn } from './leader-term.ts';
import { createAgentMetrics } from './metrics.ts';
import { OBSERVATION_LIMITS } from './observation/index.ts';
import type { AgentSnapshot, Observatory } from './observe/index.ts';
import { LiveObservatory } from './observe/index.ts';
import packageJson from './package.json' with { type: 'json' };
import type { ClusterSettings } from './plan/index.ts';
import { capabilitiesOf, isInjecting, readUninstallRequest, uninstalledText, untilUpgraded } from './plan/index.ts';
import { OwnerCache, ShapeRecorder, WebhookCache } from './risk/index.ts';
import { API_RETRY } from './runtime.ts';
import type { CommitTrace } from './tracing/index.ts';

/** Parts of the process that the program or a test provides. Defaults are the real ones. */
export interface AgentDeps {
  readonly logger: Logger;
  readonly clock?: Clock;
  /** 0 ≤ x < 1. */
  readonly random?: () => number;
  /** Absent: commits are not traced. */
  readonly trace?: CommitTrace | undefined;
}

/** Started agent, with or without the leader's lease. */
export interface RunningAgent {
  /** URL of the listener with /healthz, /readyz and /metrics. */
  readonly url: string;
  readonly observatory: Observatory;
  readonly isLeader: () => boolean;
  /** Resolves when all parts have ended. Rejects with the error that ended the agent. */
  readonly done: Promise<void>;
  /** Ends the agent, releases the lease, and waits for both. */
  stop(): Promise<void>;
}

/** Version of the released package, used in frames and metrics. */
export const AGENT_VERSION: string = packageJson.version;

const INITIAL_SNAPSHOT: AgentSnapshot = {
  policies: new Map(),
  cluster: {
    agentVersion: AGENT_VERSION,
    kubernetesVersion: 'unknown',
    gatekeeper: { state: 'Absent' },
    nodesByRegion: {},
    conditions: [],
  },
};

/** Check of /readyz. @returns the problem; undefined if ready */
type ReadyCheck = () => string | undefined;

const send = (response: ServerResponse, status: number, body: string, type = 'text/plain; charset=utf-8'): void => {
  response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store' });
  response.end(body);
};

const sendReadiness = (response: ServerResponse, ready: ReadyCheck): void => {
  const problem = ready();
  send(response, problem === undefined ? 200 : 503, `${problem ?? 'ok'}\n`);
};

const sendMetrics = (response: ServerResponse, registry: Registry): void => {
  registry.metrics().then(
    (text) => send(response, 200, text, registry.contentType),
    (error: unknown) => send(response, 500, `${String(error)}\n`),
  );
};

/**
 * Serves /healthz (the process is alive), /readyz (it can do its work) and /metrics (Prometheus).
 */
const healthListener =
  (ready: ReadyCheck, registry: Registry): RequestListener =>
  (request, response) => {
    const path = (request.url ?? '/').split('?')[0];
    if (request.method !== 'GET' && request.method !== 'HEAD') return send(response, 405, 'method not allowed\n');
    if (path === '/healthz') return send(response, 200, 'ok\n');
    if (path === '/readyz') return sendReadiness(response, ready);
    if (path === '/metrics') return sendMetrics(response, registry);
    send(response, 404, 'not found\n');
  };

/**
 * Describes what keeps a leader from being ready. A waiting replica observes nothing and is ready
 * once its caches are filled.
 */
const observationProblem = ({ status, observatory }: AgentParts): string | undefined => {
  const { outOfDate } = observatory.ages();
  return status.isLeader && outOfDate.length > 0 ? `not observed: ${outOfDate.join(', ')}` : undefined;
};

/**
 * Resolution of the event-loop metrics, in ms. Each step wakes the process; the default of 10 takes
 * a third of the CPU time of an idle agent.
 */
const LAG_RESOLUTION_MS = 100;

/**
 * Starts the agent. Resolves once its listener responds. The agent retries servers that it cannot
 * reach yet, and /readyz reports them.
 *
 * @throws KubeConfigError; the error of the listener, e.g. if its port is taken
 */
export const startAgent = async (config: AgentConfig, deps: AgentDeps, signal: AbortSignal): Promise<RunningAgent> => {
  const stopper = new AbortController();
  const ending = AbortSignal.any([signal, stopper.signal]);
  const client = createKubeClient({ kubeconfig: config.kubeconfig, userAgent: `fso-agent/${AGENT_VERSION}` });
  const registry = new Registry();
  registry.setDefaultLabels({ cluster: config.cluster });
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: LAG_RESOLUTION_MS });
  const status: AgentStatus = { problem: 'starting', isLeader: false };
  const parts: AgentParts = {
    config,
    runtime: { client, clock: systemClock, random: Math.random, ...deps },
    observatory: new LiveObservatory(INITIAL_SNAPSHOT),
    metrics: createAgentMetrics(registry, AGENT_VERSION),
    status,
  };
  const listener = await listen(
    healthListener(() => status.problem ?? observationProblem(parts), registry),
    config.listen,
    ending,
  );
  const run = async (): Promise<void> => {
    try {
      await runAgent(parts, ending);
    } finally {
      stopper.abort();
      await listener.closed;
      await client.close();
    }
  };
  const done = run();
  // `done` may reject before the caller awaits it.
  done.catch(() => undefined);
  return {
    url: listener.url,
    observatory: parts.observatory,
    isLeader: () => status.isLeader,
    done,
    stop: async () => {
      stopper.abort();
      await done;
    },
  };
};

/**
 * Runs until the signal aborts. Starts again if an upgrade of the API server changes the
 * capabilities of the cluster, and once enforcement was removed. In the latter case the preparation
 * of the cluster then fails.
 */
const runAgent = async (parts: AgentParts, signal: AbortSignal): Promise<void> => {
  try {
    while (!signal.aborted) {
      const settings = await prepareCluster(parts, signal);
      await runUntilChanged(parts, settings, signal);
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
};

const runUntilChanged = async (parts: AgentParts, settings: ClusterSettings, signal: AbortSignal): Promise<void> => {
  const { config, runtime } = parts;
  const changed = new AbortController();
  const ending = AbortSignal.any([signal, changed.signal]);
  const readCapabilities = (version: string) => capabilitiesOf(version, config.bindGate);
  const watching = untilUpgraded({ ...runtime, known: settings.capabilities, capabilitiesOf: readCapabilities }, ending).then(
    () => changed.abort(),
    () => undefined,
  );
  try {
    await enforce(parts, { settings, onUninstalled: () => changed.abort() }, ending);
  } catch (error) {
    if (!ending.aborted) throw error;
  } finally {
    changed.abort();
    await watching;
  }
};

interface EnforceOptions {
  readonly settings: ClusterSettings;
  /**
   * Called once a user has removed enforcement and the leader has reported it, or there was no
   * leader; also if the user withdraws the request.
   */
  readonly onUninstalled: () => void;
}

/** Fills the caches, then leads whenever this replica is elected, until the signal aborts. */
const enforce = async (parts: AgentParts, { settings, onUninstalled }: EnforceOptions, signal: AbortSignal): Promise<void> => {
  const { client, logger, clock, random } = parts.runtime;
  const { capabilities, trust } = settings;
  const { limits = OBSERVATION_LIMITS } = parts.config;
  const waits = { watchSilenceMs: limits.silenceMs, outdatedListMs: limits.kindMs };
  const informers = createInformers(client, { logger, clock, random, ...waits }, signal);
  const kinds = injectionKinds(capabilities.injection);
  const shapes = new ShapeRecorder({
    clock,
    isInjecting: (namespace) => isInjecting(view, namespace),
    hasPod: (key) => view.pods.get(key) !== undefined,
  });
  const onPod = (pod: KubeObject): void => shapes.see(pod);
  const view = new ClusterView({ factory: informers, kinds, clock, podListMs: limits.podListMs, onPod }, signal);
  view.pods.onChange((key, current) => (current === undefined ? shapes.gone(key) : undefined));
  const owners = new OwnerCache({ factory: informers, clock, kindMs: limits.kindMs, listEveryMs: limits.podListMs });
  const webhooks = new WebhookCache(informers);
  const pauses = readAgainAfterPauses(parts, [view, owners, webhooks], signal);
  parts.status.problem = 'caches are not filled yet';
  await view.ready(signal);
  shapes.begin();
  logger.info({ kubernetesVersion: capabilities.kubernetesVersion, user: trust.agent }, 'caches filled');
  parts.status.problem = undefined;
  let wasRequested = false;
  const checkUninstall = (): void => {
    const request = uninstallRequestIn(view);
    // A leader that saw the request no longer enforces, even if the user withdraws it. It reports
    // before it ends.
    if (request === undefined ? wasRequested : request.report !== undefined && !parts.status.isLeader) onUninstalled();
    wasRequested ||= request !== undefined;
  };
  view.namespaces.onChange(checkUninstall);
  checkUninstall();
  await runLeaderTerms(parts, { settings, view, owners, webhooks, shapes, pauses, onUninstalled }, signal);
};

/**
 * Reads everything again after each pause of this process, also in replicas that do not lead,
 * because the cache may be too old.
 */
const readAgainAfterPauses = (
  { config, runtime }: AgentParts,
  caches: readonly Pick<ClusterView, 'restart'>[],
  signal: AbortSignal,
): PauseDetector => {
  const { clock, logger } = runtime;
  const { limits = OBSERVATION_LIMITS } = config;
  const pauses = new PauseDetector({ clock, lateMs: limits.pauseMs });
  pauses.onPause((pausedMs) => {
    logger.warn({ pausedMs: Math.round(pausedMs) }, 'this process did not run for a while: everything is read again');
    for (const cache of caches) cache.restart();
  });
  void pauses.run(signal);
  return pauses;
};

/** @throws Error if enforcement was removed, as a restarted agent must not restore it */
const assertInstallable = async (client: KubeClient, signal: AbortSignal): Promise<void> => {
  const request = readUninstallRequest(await client.get(NAMESPACE_KIND, { name: SYSTEM_NAMESPACE }, signal));
  if (request?.report !== undefined) throw new Error(uninstalledText(request.user));
};

/**
 * Prepares the objects that the agent relies on. Retries until the cluster has them.
 *
 * @throws the signal's reason
 */
const prepareCluster = async ({ config, runtime, status }: AgentParts, signal: AbortSignal): Promise<ClusterSettings> => {
  const { client, clock, logger, random } = runtime;
  const backoff = createBackoff({ ...API_RETRY, minMs: 100, random });
  for (;;) {
    try {
      const version = await client.version(signal);
      await assertInstallable(client, signal);
      const capabilities = capabilitiesOf(version, config.bindGate);
      const trust = trustOf(config, capabilities.floor ? await whoAmI(client, signal) : '');
      if (trust.binders.length < config.trustedBinders.length)
        logger.warn({ user: trust.agent }, 'FSO_TRUSTED_BINDERS names the agent itself, which never is a trusted binder');
      if (capabilities.floor) await adoptGuard(client, trust, signal);
      await bootstrapCluster(client, clock, signal);
      return { capabilities, trust, definitions: await readDefinitions() };
    } catch (error) {
      signal.throwIfAborted();
      const retryInMs = backoff.next();
      status.problem = `the cluster cannot be prepared: ${messageOf(error)}`;
      logger.error({ err: error, retryInMs }, 'the cluster cannot be prepared');
      await clock.sleep(retryInMs, signal);
    }
  }
};
