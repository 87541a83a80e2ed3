import type { KubeObject } from '@fso/shared/api';
import { type KubeClient, type ReconcileResult, runController, WorkQueue } from '@fso/shared/kube';
import type { Clock, Logger } from '@fso/shared/runtime';
import { NotKeptError } from './apply/apply-action.ts';
import { ConstraintThrottle } from './apply/constraint-throttle.ts';
import { FloorThrottle } from './apply/floor-throttle.ts';
import { ParametersThrottle } from './apply/parameters-throttle.ts';
import { WriteEvents } from './apply/write-events.ts';
import { type Write, type WriteOutcome, WritePool } from './apply/write-pool.ts';
import { type ClusterWriteContext, finalizerWrites, writesForActions } from './apply/writes.ts';
import type { ClusterView } from './cache/view.ts';
import { isFloorName } from './enforce/index.ts';
import { ServerDefaults } from './enforce/server-defaults.ts';
import { isAlert, type WriteFailure } from './enforce/types.ts';
import type { AgentMetrics } from './metrics.ts';
import type { EventSink } from './observe/event-sink.ts';
import { NodeMoves, reportMoves } from './observe/node-moves.ts';
import type { LiveObservatory } from './observe/observatory.ts';
import { TamperLog } from './observe/tampering.ts';
import type { ViolationTimeStore } from './observe/violation-times.ts';
import { canaryTargets } from './plan/canary-targets.ts';
import { type ClusterPlan, planCluster } from './plan/plan.ts';
import type { ClusterSettings } from './plan/plan-lock-one.ts';
import { indexedNamespaces, ProbeTargets } from './plan/probe-targets.ts';
import { CanaryProber } from './probe/canary-prober.ts';
import { runProbeSchedule } from './probe/probe-schedule.ts';
import { Prober, type ProbeTarget } from './probe/prober.ts';
import { RetryBudget } from './probe/retry-budget.ts';
import { StatusPublisher } from './status/status-publisher.ts';

export interface ControllerDeps extends ClusterSettings {
  readonly client: KubeClient;
  readonly view: ClusterView;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random: () => number;
  readonly observatory: LiveObservatory;
  readonly events: EventSink;
  readonly violationTimes: ViolationTimeStore;
  readonly metrics: AgentMetrics;
  readonly agentVersion: string;
  readonly retryMs: readonly [number, number];
  readonly gatekeeperGraceMs: number;
  /** Called after the first round. */
  readonly onFirstRound: () => void;
}

const KEY = 'cluster';
/** Pods and nodes change all the time, and only what is reported hangs on them. */
const WORKLOAD_DELAY_MS = 250;
/** Longest wait of setTimeout. */
const MAX_TIMER_MS = 2 ** 31 - 1;
const DONE_DELAY_MS = 100;
/** In a storm of changes the time between rounds is this many times the last one's: a fourth of the processor, the rest is for writes. */
const REST_SHARE = 3;
const NO_TARGETS: ReadonlyMap<string, ProbeTarget> = new Map();

/**
 * The enforcing side: one level-triggered reconcile over the whole cluster. A round only plans; writes and proofs run on
 * their own and ask for the next round when something came of them.
 */
export class Controller {
  readonly #deps: ControllerDeps;
  readonly #signal: AbortSignal;
  readonly #queue: WorkQueue;
  readonly #pool: WritePool;
  readonly #prober: Prober;
  /** Of the one namespace that nothing but the index speaks of. */
  readonly #index: Prober;
  readonly #canary: CanaryProber;
  readonly #context: ClusterWriteContext;
  readonly #notices: WriteEvents;
  readonly #tampering = new TamperLog();
  readonly #defaults = new ServerDefaults();
  /** CRDs as the last write left them. */
  readonly #definitions = new Map<string, KubeObject['metadata']>();
  readonly #targets = new ProbeTargets();
  readonly #pace = new ConstraintThrottle();
  readonly #floorPace = new FloorThrottle();
  readonly #parametersPace = new ParametersThrottle();
  readonly #reporting: StatusPublisher;
  /** Made in the first round, of what stands in the cluster then. */
  #moves: NodeMoves | undefined;
  #plan: ClusterPlan | undefined;
  #rounds = 0;
  #restUntil = 0;

  constructor(deps: ControllerDeps, signal: AbortSignal) {
    this.#deps = deps;
    this.#signal = signal;
    this.#queue = new WorkQueue({ clock: deps.clock });
    const wake = (): void => this.#wake();
    this.#context = {
      client: deps.client,
      view: deps.view,
      defaults: this.#defaults,
      onDefinition: ({ metadata }) => this.#definitions.set(metadata.name, metadata),
      onTookOver: (repair) => this.#notices.onRepaired(repair),
    };
    this.#notices = new WriteEvents({ ...deps, tampering: this.#tampering });
    this.#pool = new WritePool(
      {
        concurrency: 16,
        clock: deps.clock,
        retry: { firstMs: deps.retryMs[0], secondMs: deps.retryMs[1], capMs: 300_000, random: deps.random },
        echoMs: 1_000,
        onDone: (write, outcome) => this.#done(write, outcome),
        onFailure: (write, failure, error) => this.#failed(write, failure, error),
        onWake: wake,
      },
      signal,
    );
    const budget = new RetryBudget(deps.clock, signal);
    const createProber = (concurrency: number): Prober =>
      new Prober(
        {
          client: deps.client,
          clock: deps.clock,
          budget,
          floor: { isFloorPolicy: isFloorName },
          bindGate: deps.capabilities.floor,
          concurrency,
          patienceMs: 10_000,
          onChange: wake,
          onVerdict: (result) => deps.metrics.probes.inc({ result }),
        },
        signal,
      );
    this.#prober = createProber(16);
    this.#index = createProber(2);
    this.#canary = new CanaryProber(
      {
        client: deps.client,
        clock: deps.clock,
        budget,
        floor: { isFloorPolicy: isFloorName },
        concurrency: 16,
        patienceMs: 3_000,
        onChange: wake,
        onVerdict: (result) => deps.metrics.probes.inc({ result }),
      },
      signal,
    );
    this.#reporting = new StatusPublisher({
      ...deps,
      prober: this.#prober,
      index: this.#index,
      canary: this.#canary,
      tampering: this.#tampering,
      context: this.#context,
      failures: () => this.#pool.failures(),
      wake: (delayMs) => this.#wake(delayMs),
    });
    void runProbeSchedule(deps.clock, { prober: this.#prober, index: this.#index, canary: this.#canary }, signal);
  }

  /** Runs until the signal aborts. */
  async run(): Promise<void> {
    const stopWatching = this.#deps.view.subscribe({
      onChange: () => this.#wake(),
      onWorkload: () => this.#wake(WORKLOAD_DELAY_MS),
    });
    this.#queue.add(KEY);
    try {
      const { logger } = this.#deps;
      await runController(
        { name: 'enforce', queue: this.#queue, logger, reconcile: () => Promise.resolve().then(() => this.#reconcile()) },
        this.#signal,
      );
    } finally {
      stopWatching();
    }
  }

  /**
   * Asks for the next round: at once where rounds are short. Where they are long, the loop must also read, write and
   * renew the lease, so that a round waits the longer the longer the one before took.
   */
  #wake(delayMs = 0): void {
    const rest = this.#restUntil - this.#deps.clock.monotonicMs();
    this.#queue.addAfter(KEY, Math.max(delayMs, rest > 1 ? rest : 0));
  }

  #reconcile(): ReconcileResult {
    const { clock, metrics, view, capabilities } = this.#deps;
    const started = clock.monotonicMs();
    const now = clock.now();
    if (this.#rounds === 0) this.#tampering.restore(view.livePolicies());
    this.#moves ??= new NodeMoves(view.parameters.list());
    reportMoves(this.#moves.find(view.nodes.list()), this.#deps.events);
    const plan = planCluster(view, { ...this.#deps, defaults: this.#defaults, appliedDefinitions: this.#definitions }, now, this.#plan);
    this.#plan = plan;
    const lockTwo = this.#pace.due(plan, this.#reporting.unprovenCount, started);
    const floor = this.#floorPace.due(plan, !this.#prober.isSettled, started);
    const parameters = this.#parametersPace.due(plan.parameters, started);
    for (const { waitMs } of [lockTwo, floor, parameters]) if (waitMs !== undefined) this.#wake(waitMs);
    const enforcing = writesForActions(
      [...plan.foundation, ...parameters.actions, ...plan.namespaces, ...floor.actions, ...plan.injection, ...lockTwo.actions],
      this.#context,
    );
    const indexed = indexedNamespaces(plan, this.#pool.failures());
    this.#prober.expect(capabilities.floor ? this.#targets.of(plan, view, indexed) : NO_TARGETS, plan.governance.namespaces);
    this.#index.expect(capabilities.floor ? this.#targets.ofIndex(plan, view) : NO_TARGETS);
    this.#canary.expect(canaryTargets(plan, view));
    const reporting = this.#reporting.report(plan, indexed, now);
    this.#notices.round(plan);
    const stuck = new Set(
      this.#pool
        .failures()
        .filter(isAlert)
        .map(({ key }) => key),
    );
    this.#pool.submit([...enforcing, ...finalizerWrites(plan, stuck, this.#context), ...reporting]);
    const ended = clock.monotonicMs();
    metrics.reconcileSeconds.observe((ended - started) / 1000);
    this.#restUntil = ended + (ended - started) * REST_SHARE;
    this.#rounds += 1;
    if (this.#rounds === 1) this.#deps.onFirstRound();
    return this.#nextRound(plan, now);
  }

  #nextRound({ governance }: ClusterPlan, now: Date): ReconcileResult {
    const waits = this.#reporting.gracesLeftMs();
    if (governance.nextChangeAt !== undefined) waits.push(governance.nextChangeAt.getTime() - now.getTime() + 1);
    const toldMs = this.#tampering.endsInMs(now);
    if (toldMs !== undefined) waits.push(toldMs);
    if (waits.length === 0) return {};
    return { requeueAfterMs: Math.min(MAX_TIMER_MS, Math.max(1, Math.min(...waits))) };
  }

  /** A policy was put back, and the hub knows it already. */
  onPolicyRepaired(policy: string, message: string): void {
    this.#notices.onPolicyRepaired(policy, message);
    this.#wake();
  }

  #done(write: Write, outcome: WriteOutcome): void {
    this.#parametersPace.written(write.key, this.#deps.clock.monotonicMs());
    this.#notices.done(write, outcome);
    // The echo of the write brings the next round; writes without one would wait for it in vain.
    this.#wake(DONE_DELAY_MS);
  }

  #failed(write: Write, failure: WriteFailure, error: unknown): void {
    // Whatever the CRDs look like, they are written once more.
    if (error instanceof NotKeptError) this.#definitions.clear();
    this.#notices.failed(write, failure, error);
    this.#wake();
  }
}
