import { AGENT_LEASE, ANNOTATIONS, type ClusterEvent, SYSTEM_NAMESPACE, type UninstallReport } from '@fso/shared/api';
import { EventRecorder, NAMESPACE_KIND, runAsLeader } from '@fso/shared/kube';
import { createBackoff, untilAborted } from '@fso/shared/runtime';
import type { ClusterView } from './cache/index.ts';
import type { AgentConfig } from './config.ts';
import { Controller, type ControllerDeps } from './control/index.ts';
import { linkToHub } from './hub-link.ts';
import { loadAcceptedPlaces } from './intake/index.ts';
import type { AgentMetrics } from './metrics.ts';
import type { LiveObservatory } from './observe/index.ts';
import { createViolationTimeStore, EventSink, type ViolationTimeStore } from './observe/index.ts';
import { OpenReports, removeReports } from './openreports/index.ts';
import { isInjectionServed, readUninstallRequest, type UninstallRequest, uninstalledText } from './plan/index.ts';
import { Previewer } from './preview/index.ts';
import { createEventStore, EventOutbox } from './report/index.ts';
import { ShapeStore } from './risk/index.ts';
import { type AgentRuntime, API_RETRY } from './runtime.ts';

/** State of the agent itself. */
export interface AgentStatus {
  /** Reason why the agent cannot work; undefined if it can. */
  problem: string | undefined;
  isLeader: boolean;
}

/** Parts of an agent that outlive a term. */
export interface AgentParts {
  readonly config: AgentConfig;
  readonly runtime: AgentRuntime;
  readonly observatory: LiveObservatory;
  readonly metrics: AgentMetrics;
  readonly status: AgentStatus;
}

/** Capabilities and caches of the cluster. */
export interface KnownCluster extends Pick<ControllerDeps, 'settings' | 'view' | 'owners' | 'webhooks' | 'shapes' | 'pauses'> {
  /**
   * Called once a leader has reported that a user removes enforcement, and the request shows the
   * report.
   */
  readonly onUninstalled: () => void;
}

/**
 * Leads whenever this replica is elected, or always without an election, until the signal aborts.
 */
export const runLeaderTerms = async (parts: AgentParts, cluster: KnownCluster, signal: AbortSignal): Promise<void> => {
  const { leaderElection, leaseDurationMs, identity } = parts.config;
  const lead = (term: AbortSignal): Promise<void> => new LeaderTerm(parts, cluster, term).run();
  if (!leaderElection) return lead(signal);
  const { client, logger, clock } = parts.runtime;
  const lease = {
    client,
    namespace: SYSTEM_NAMESPACE,
    name: AGENT_LEASE,
    identity,
    logger,
    clock,
    leaseDurationMs,
    renewDeadlineMs: leaseDurationMs * (2 / 3),
    retryPeriodMs: leaseDurationMs * (2 / 15),
  };
  await runAsLeader(lease, lead, signal);
};

/** Longest wait for the hub's acknowledgement of the removal report, in ms. */
const REPORT_WITHIN_MS = 10_000;
const POLL_MS = 100;

/** Request to remove enforcement from this cluster, as read from the cache. */
export const uninstallRequestIn = ({ namespaces }: ClusterView): UninstallRequest | undefined =>
  readUninstallRequest(namespaces.get(SYSTEM_NAMESPACE));

/**
 * Term of a leader, which ends with its signal. Enforces, and streams to the hub if there is one.
 * Once a user requests the removal of enforcement, it only reports that.
 */
class LeaderTerm {
  readonly #parts: AgentParts;
  readonly #cluster: KnownCluster;
  readonly #signal: AbortSignal;
  /** Aborts once a user requests the removal of enforcement. */
  readonly #uninstall = new AbortController();
  /** Ends the writers of locks and policies, before the rest of the term. */
  readonly #enforcing: AbortSignal;
  readonly #events: EventSink;
  readonly #violationTimes: ViolationTimeStore;
  readonly #eventStore: ReturnType<typeof createEventStore>;
  readonly #outbox: EventOutbox;
  readonly #shapeStore: ShapeStore;
  /** Resolves to whether there was a first reconcile, as the term may end before it. */
  readonly #firstRound = Promise.withResolvers<boolean>();

  constructor(parts: AgentParts, cluster: KnownCluster, signal: AbortSignal) {
    const { client, clock, logger } = parts.runtime;
    this.#parts = parts;
    this.#cluster = cluster;
    this.#signal = signal;
    this.#enforcing = AbortSignal.any([signal, this.#uninstall.signal]);
    const recorder = new EventRecorder({ client, component: 'fso-agent', instance: parts.config.identity, logger, clock });
    this.#events = new EventSink(recorder, parts.observatory, { clock, logger, signal });
    this.#violationTimes = createViolationTimeStore({ client, clock, logger });
    this.#eventStore = createEventStore({ client, clock, logger });
    this.#shapeStore = new ShapeStore({ client, clock, logger, recorder: cluster.shapes, everyMs: parts.config.limits?.shapesMs });
    this.#outbox = new EventOutbox({ clock, logger, store: this.#eventStore });
    signal.addEventListener('abort', () => this.#firstRound.resolve(false), { once: true });
  }

  async run(): Promise<void> {
    const { config, observatory, metrics, status } = this.#parts;
    status.isLeader = true;
    status.problem = 'the first round is not done yet';
    metrics.leader.set(1);
    await this.#openStores();
    // Collected from the first reconcile on, so that they reach the hub whenever it connects.
    const stopCollecting = config.hub && observatory.onEvent((event) => this.#outbox.add(event));
    try {
      await this.#runParts(this.#createController());
    } finally {
      stopCollecting?.();
      status.isLeader = false;
      status.problem = undefined;
      metrics.leader.set(0);
      metrics.endTerm();
    }
  }

  async #openStores(): Promise<void> {
    const stores = [this.#violationTimes, this.#eventStore, this.#shapeStore];
    await Promise.all([...stores.map((store) => store.load(this.#signal)), this.#restorePlaces()]);
  }

  /** Loads the places of the accepted commit, before the first reconcile lists nodes by them. */
  async #restorePlaces(): Promise<void> {
    const { client, clock, logger, random } = this.#parts.runtime;
    const { places } = this.#cluster.view;
    const backoff = createBackoff({ ...API_RETRY, random });
    while (!this.#signal.aborted) {
      try {
        const accepted = await loadAcceptedPlaces(client, this.#signal);
        if (accepted === undefined) logger.warn('the stored catalogue of regions cannot be used, waiting for the hub');
        return places.judgeBy(accepted);
      } catch (error) {
        if (!this.#signal.aborted) logger.warn({ err: error }, 'the stored catalogue of regions could not be read');
        await clock.sleep(backoff.next(), this.#signal).catch(() => undefined);
      }
    }
  }

  #createController(): Controller {
    const { config, runtime, observatory, metrics, status } = this.#parts;
    const onFirstRound = (): void => {
      status.problem = undefined;
      this.#firstRound.resolve(true);
    };
    const outputs = { observatory, events: this.#events, metrics };
    const { settings, view, owners, webhooks, shapes, pauses } = this.#cluster;
    const deps = {
      runtime,
      config,
      settings,
      view,
      owners,
      webhooks,
      shapes,
      pauses,
      outputs,
      violationTimes: this.#violationTimes,
      onFirstRound,
    };
    return new Controller(deps, this.#enforcing);
  }

  async #runParts(controller: Controller): Promise<void> {
    const { view } = this.#cluster;
    const checkUninstall = (): void => {
      if (uninstallRequestIn(view) !== undefined) this.#uninstall.abort();
    };
    this.#signal.addEventListener('abort', view.namespaces.onChange(checkUninstall), { once: true });
    checkUninstall();
    const enforcing = Promise.all([controller.run(), this.#keepReports(controller)]).then(() => this.#reportUninstall(controller));
    // Before the first reconcile there is no state of policies to report.
    const linked = this.#firstRound.promise.then((isDone) => (isDone ? this.#linkToHub(controller) : undefined));
    const stores = [this.#violationTimes, this.#eventStore, this.#shapeStore];
    await Promise.all([enforcing, ...stores.map((store) => store.run(this.#signal)), linked]);
  }

  /** Keeps reports in the cluster for other tools, or removes them if that is turned off. */
  async #keepReports(controller: Controller): Promise<void> {
    const { config, runtime, observatory } = this.#parts;
    try {
      if (config.openReports !== true) return await removeReports(runtime, this.#enforcing);
      // Before the first reconcile there is no state of this cluster, or that of an earlier term. A
      // term that begins with an uninstall request has no reconcile.
      await Promise.race([this.#firstRound.promise, untilAborted(this.#enforcing)]);
      if (this.#enforcing.aborted) return;
      await new OpenReports({ runtime, view: this.#cluster.view, observatory, pool: controller.pool }, this.#enforcing).run(
        this.#enforcing,
      );
    } catch (error) {
      // Enforcement does not depend on reports.
      if (!this.#enforcing.aborted) runtime.logger.error({ err: error }, 'reports of openreports.io are not kept any more');
    }
  }

  /**
   * Reports the removal after the last reconcile, when nothing is written any more that could
   * restore what is removed. A report that another user wrote with the request must not suppress
   * the event to the hub.
   */
  async #reportUninstall(controller: Controller): Promise<void> {
    const request = uninstallRequestIn(this.#cluster.view);
    if (this.#signal.aborted || request === undefined) return;
    // If the request is older than the term, there was no reconcile, and the hub has no state of
    // this cluster.
    controller.observe();
    this.#parts.status.problem = uninstalledText(request.user);
    const message = `${request.user} removes enforcement from this cluster with "fso-agent uninstall": its policies no longer hold`;
    this.#events.ofCluster({ severity: 'alert', reason: 'Uninstalled', message });
    await this.#answer(await this.#deliver());
  }

  /** Writes the report until the request shows one. */
  async #answer(report: UninstallReport): Promise<void> {
    const { view, onUninstalled } = this.#cluster;
    const { client, clock, logger, random } = this.#parts.runtime;
    const backoff = createBackoff({ ...API_RETRY, random });
    const patch = { metadata: { annotations: { [ANNOTATIONS.uninstallReport]: report } } };
    while (!this.#signal.aborted) {
      const request = uninstallRequestIn(view);
      if (request === undefined) return;
      if (request.report !== undefined) return onUninstalled();
      try {
        await client.mergePatch(NAMESPACE_KIND, { name: SYSTEM_NAMESPACE }, patch, this.#signal);
        backoff.reset();
        await clock.sleep(POLL_MS, this.#signal).catch(() => undefined);
      } catch (error) {
        if (!this.#signal.aborted) logger.warn({ err: error }, 'the report of the removal cannot be written');
        await clock.sleep(backoff.next(), this.#signal).catch(() => undefined);
      }
    }
  }

  async #deliver(): Promise<UninstallReport> {
    const { config, runtime } = this.#parts;
    if (config.hub === undefined) return 'NoHub';
    const deadline = runtime.clock.monotonicMs() + REPORT_WITHIN_MS;
    while (!this.#outbox.isEmpty) {
      if (this.#signal.aborted || runtime.clock.monotonicMs() > deadline) return 'NotReported';
      await runtime.clock.sleep(POLL_MS, this.#signal).catch(() => undefined);
    }
    return 'Reported';
  }

  async #linkToHub(controller: Controller): Promise<void> {
    const { config, runtime, observatory, metrics } = this.#parts;
    const { cluster, hub, trust } = config;
    if (hub === undefined || this.#signal.aborted) return;
    const onEvent = ({ reason }: ClusterEvent): void => {
      if (reason === 'RevisionNotTrusted') metrics.untrusted.inc();
    };
    const { policies, places } = this.#cluster.view;
    const outputs = { events: this.#events, metrics, onEvent };
    const { revisions } = controller;
    const previews = this.#createPreviewer(controller);
    const deps = { runtime, config: { cluster, hub, trust }, policies, places, revisions, observatory, outbox: this.#outbox, outputs };
    await linkToHub({ ...deps, previews, intakeSignal: this.#enforcing }, this.#signal);
  }

  #createPreviewer({ dryRuns, pool }: Controller): Previewer {
    const { config, runtime, observatory, metrics } = this.#parts;
    const { settings, view, owners, shapes } = this.#cluster;
    const known = { ...runtime, observatory, view, owners, shapes, dryRuns, metrics, events: this.#events };
    const injects = () => isInjectionServed(view);
    const isEnforcing = () => pool.waiting > 0;
    return new Previewer({ ...known, mode: config.preview, place: settings.trust, injects, isEnforcing }, this.#enforcing);
  }
}
