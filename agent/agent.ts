import { AGENT_LEASE, type ClusterEvent, type KubeObject, SYSTEM_NAMESPACE } from '@fso/shared/api';
import { createInformers, createKubeClient, EventRecorder, type Informer, type KubeClient, runAsLeader } from '@fso/shared/kube';
import { type Clock, createBackoff, createMetricsRegistry, type Logger, listen, messageOf, systemClock } from '@fso/shared/runtime';
import { adoptGuard } from './apply/adopt-guard.ts';
import { bootstrapCluster, readDefinitions, whoAmI } from './bootstrap.ts';
import { ClusterView } from './cache/view.ts';
import type { AgentConfig } from './config.ts';
import { Controller } from './controller.ts';
import { injectionKinds } from './enforce/index.ts';
import { linkToHub } from './hub-link.ts';
import { type AgentMetrics, createAgentMetrics } from './metrics.ts';
import { EventSink } from './observe/event-sink.ts';
import { LiveObservatory } from './observe/observatory.ts';
import type { Observatory } from './observe/types.ts';
import { createViolationTimeStore } from './observe/violation-times.ts';
import packageJson from './package.json' with { type: 'json' };
import { capabilitiesOf } from './plan/capabilities.ts';
import type { ClusterSettings } from './plan/plan-lock-one.ts';
import { untilUpgraded } from './plan/version-watch.ts';
import { EventOutbox } from './report/event-outbox.ts';
import { createEventStore } from './report/event-store.ts';
import { healthListener } from './server.ts';

export interface AgentDeps {
  readonly logger: Logger;
  readonly clock?: Clock;
  /** 0 ≤ x < 1. */
  readonly random?: () => number;
}

export interface RunningAgent {
  /** Of the listener with /healthz, /readyz and /metrics. */
  readonly url: string;
  readonly observatory: Observatory;
  readonly isLeader: () => boolean;
  /** Resolves when everything has ended; rejects with what ended the agent by itself. */
  readonly done: Promise<void>;
  /** Ends the agent and waits for it. The lease is released. */
  stop(): Promise<void>;
}

export const AGENT_VERSION: string = packageJson.version;

interface Phase {
  /** Why the agent cannot do its work; undefined: it can. */
  problem: string | undefined;
  leader: boolean;
}

interface Running {
  readonly config: AgentConfig;
  readonly deps: Required<AgentDeps>;
  readonly client: KubeClient;
  readonly observatory: LiveObservatory;
  readonly metrics: AgentMetrics;
  readonly phase: Phase;
}

const emptySnapshot = () => ({
  policies: new Map(),
  cluster: {
    agentVersion: AGENT_VERSION,
    kubernetesVersion: 'unknown',
    gatekeeper: { state: 'Absent' as const },
    nodesByRegion: {},
    conditions: [],
  },
});

/** Starts the agent; resolves once its listener is up. What it cannot reach yet it tries again, and /readyz says so. */
export const startAgent = async (config: AgentConfig, deps: AgentDeps, signal: AbortSignal): Promise<RunningAgent> => {
  const stopper = new AbortController();
  const ending = AbortSignal.any([signal, stopper.signal]);
  const client = createKubeClient({ kubeconfig: config.kubeconfig, userAgent: `fso-agent/${AGENT_VERSION}` });
  const phase: Phase = { problem: 'starting', leader: false };
  const registry = createMetricsRegistry({ defaultLabels: { cluster: config.cluster } });
  const running: Running = {
    config,
    deps: { clock: systemClock, random: Math.random, ...deps },
    client,
    observatory: new LiveObservatory(emptySnapshot()),
    metrics: createAgentMetrics(registry),
    phase,
  };
  const listening = await listen(
    healthListener(() => phase.problem, registry),
    config.listen,
    ending,
  );
  const end = async (): Promise<void> => {
    stopper.abort();
    await listening.closed;
    await client.close();
  };
  const done = untilEnded(running, ending, end);
  // Whoever started the agent looks at `done` later than it may fail.
  done.catch(() => undefined);
  return {
    url: listening.url,
    observatory: running.observatory,
    isLeader: () => phase.leader,
    done,
    stop: async () => {
      stopper.abort();
      await done;
    },
  };
};

const untilEnded = async (running: Running, signal: AbortSignal, end: () => Promise<void>): Promise<void> => {
  try {
    await runAgent(running, signal);
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    await end();
  }
};

const runAgent = async (running: Running, signal: AbortSignal): Promise<void> => {
  const { client, deps, config } = running;
  while (!signal.aborted) {
    const settings = await prepare(running, signal);
    const upgraded = new AbortController();
    const term = AbortSignal.any([signal, upgraded.signal]);
    const watch = {
      ...deps,
      client,
      known: settings.capabilities,
      capabilitiesOf: (version: string) => capabilitiesOf(version, config.bindGate),
    };
    const watching = untilUpgraded(watch, term).then(
      () => upgraded.abort(),
      () => undefined,
    );
    try {
      await work(running, settings, term);
    } catch (error) {
      if (!term.aborted) throw error;
    } finally {
      upgraded.abort();
      await watching;
    }
  }
};

/** Until the signal aborts. */
const work = async (running: Running, settings: ClusterSettings, signal: AbortSignal): Promise<void> => {
  const { client, deps, phase, config } = running;
  const informers = createInformers(client, { logger: deps.logger, clock: deps.clock, random: deps.random }, signal);
  const view = new ClusterView(informers, injectionKinds(settings.capabilities.injection), signal);
  phase.problem = 'caches are not filled yet';
  await view.ready(signal);
  deps.logger.info({ kubernetesVersion: settings.capabilities.kubernetesVersion, user: settings.trust.agent }, 'caches filled');
  phase.problem = undefined;
  const lead = (leaderSignal: AbortSignal): Promise<void> => enforce(running, { view, ...settings }, leaderSignal);
  if (!config.leaderElection) return lead(signal);
  const { leaseDurationMs, identity } = config;
  const lease = {
    client,
    namespace: SYSTEM_NAMESPACE,
    name: AGENT_LEASE,
    identity,
    logger: deps.logger,
    clock: deps.clock,
    leaseDurationMs,
    renewDeadlineMs: leaseDurationMs * (2 / 3),
    retryPeriodMs: leaseDurationMs * (2 / 15),
  };
  await runAsLeader(lease, lead, signal);
};

/** Tries until the cluster has what the agent stands on. */
const prepare = async ({ client, config, deps, phase }: Running, signal: AbortSignal): Promise<ClusterSettings> => {
  const backoff = createBackoff({ baseMs: 500, maxMs: 30_000, minMs: 100, random: deps.random });
  for (;;) {
    try {
      const version = await client.version(signal);
      const capabilities = capabilitiesOf(version, config.bindGate);
      const { trustedBinders: binders, trustedNodeLabelers: nodeLabelers, gatekeeperNamespace } = config;
      const trust = { agent: capabilities.floor ? await whoAmI(client, signal) : '', binders, nodeLabelers, gatekeeperNamespace };
      if (capabilities.floor) await adoptGuard(client, trust, signal);
      await bootstrapCluster(client, deps.clock, signal);
      return { capabilities, trust, definitions: await readDefinitions() };
    } catch (error) {
      signal.throwIfAborted();
      const retryInMs = backoff.next();
      phase.problem = `the cluster cannot be prepared: ${messageOf(error)}`;
      deps.logger.error({ err: error, retryInMs }, 'the cluster cannot be prepared');
      await deps.clock.sleep(retryInMs, signal);
    }
  }
};

/** The term of a leader: enforces, and streams where there is a hub. */
const enforce = async (running: Running, known: ClusterSettings & { view: ClusterView }, signal: AbortSignal): Promise<void> => {
  const { config, deps, client, observatory, metrics, phase } = running;
  const { clock, logger, random } = deps;
  const recorder = new EventRecorder({ client, component: 'fso-agent', instance: config.identity, logger, clock });
  const events = new EventSink(recorder, observatory, { clock, logger, signal });
  phase.leader = true;
  phase.problem = 'the first round is not done yet';
  metrics.leader.set(1);
  const { retryMs, gatekeeperGraceMs } = config;
  const violationTimes = createViolationTimeStore({ client, clock, logger });
  const eventStore = createEventStore({ client, clock, logger });
  await Promise.all([violationTimes.load(signal), eventStore.load(signal)]);
  const outbox = new EventOutbox({ clock, logger, store: eventStore });
  // From the first round on: what it finds is told when the hub is there.
  const forget = config.hub && observatory.onEvent((event) => outbox.add(event));
  const firstRound = Promise.withResolvers<void>();
  const onFirstRound = (): void => {
    phase.problem = undefined;
    firstRound.resolve();
  };
  const controller = new Controller(
    {
      ...known,
      client,
      clock,
      logger,
      random,
      observatory,
      events,
      violationTimes,
      metrics,
      agentVersion: AGENT_VERSION,
      retryMs,
      gatekeeperGraceMs,
      onFirstRound,
    },
    signal,
  );
  signal.addEventListener('abort', () => firstRound.resolve(), { once: true });
  try {
    const enforcing = controller.run();
    const { policies, parameters } = known.view;
    const alertWhenUnreadable = (informer: Informer<KubeObject>, reason: string, message: string): void => {
      const onReadable = (readable: boolean): void => {
        if (!readable) events.ofCluster({ severity: 'alert', reason, message });
      };
      onReadable(informer.readable);
      signal.addEventListener('abort', informer.onReadable(onReadable), { once: true });
    };
    alertWhenUnreadable(
      policies,
      'PoliciesUnreadable',
      'SovereignPolicies cannot be read; what they said before stays in force, and their CRD is put back if it is gone',
    );
    alertWhenUnreadable(
      parameters,
      'ParametersUnreadable',
      'FloorParameters cannot be read; their CRD, and what stood in them, is put back',
    );
    const onEvent = ({ reason, policy, message }: ClusterEvent): void => {
      if (reason === 'TamperingRepaired' && policy !== undefined) controller.onPolicyRepaired(policy, message);
      if (reason === 'RevisionNotTrusted') metrics.untrusted.inc();
    };
    const { cluster, hub, trust } = config;
    const link = async (): Promise<void> => {
      if (hub === undefined || signal.aborted) return;
      const options = {
        config: { cluster, hub, trust },
        agentVersion: AGENT_VERSION,
        client,
        policies,
        observatory,
        outbox,
        events,
        metrics,
      };
      await linkToHub({ ...options, clock, random, logger, onEvent }, signal);
    };
    await Promise.all([enforcing, violationTimes.run(signal), eventStore.run(signal), firstRound.promise.then(link)]);
  } finally {
    forget?.();
    phase.leader = false;
    phase.problem = undefined;
    metrics.leader.set(0);
  }
};
