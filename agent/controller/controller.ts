import type { SovereignPolicy, SovereignPolicyStatus } from '@fso/shared/api';
import { type KubeClient, type ReconcileResult, runController, WorkQueue } from '@fso/shared/kube';
import type { Clock, Logger } from '@fso/shared/runtime';
import { weakMemo, weakMemo2 } from '../enforce/compare.ts';
import { CANARY_NAME, isFloorName, type PolicyInput, type PolicyOutcome } from '../enforce/index.ts';
import { type AgentMetrics, measure } from '../metrics.ts';
import { AuditComparison, type AuditFacts, auditOfPolicy } from '../observe/audit.ts';
import { CanaryProber } from '../observe/canary-prober.ts';
import { clusterFacts } from '../observe/cluster-facts.ts';
import type { EventSink } from '../observe/event-sink.ts';
import { findFloorProblem } from '../observe/floor-problems.ts';
import { injectionFacts } from '../observe/injection-facts.ts';
import type { LockInput } from '../observe/locks.ts';
import { isLockTwoProven } from '../observe/locks.ts';
import type { LiveObservatory } from '../observe/observatory.ts';
import { planPolicyEvents } from '../observe/plan-events.ts';
import { isProven, toReport } from '../observe/plan-status.ts';
import { Prober, type ProbeTarget } from '../observe/prober.ts';
import { rotate } from '../observe/rotation.ts';
import { TamperLog } from '../observe/tampering.ts';
import type { PolicySnapshot } from '../observe/types.ts';
import type { ClusterView } from '../observe/view.ts';
import { type PolicyViolations, ViolationFinder } from '../observe/violations.ts';
import { canaryTargets } from './canary-targets.ts';
import { ConstraintPace } from './constraint-pace.ts';
import { Notices, type Repair } from './notices.ts';
import { type ClusterPlan, type ClusterSettings, isInjectionServed, planCluster } from './plan.ts';
import { indexedNamespaces, ProbeTargets } from './probe-targets.ts';
import { StatusBook, type StatusResult } from './statuses.ts';
import { isAlert, type Work, type WorkFailure, WorkPool } from './work-pool.ts';
import { actionWorks, finalizerWorks, statusWork, type WorkContext } from './works.ts';

export interface ControllerDeps extends ClusterSettings {
  readonly client: KubeClient;
  readonly view: ClusterView;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random: () => number;
  readonly observatory: LiveObservatory;
  readonly events: EventSink;
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
const NO_VIOLATIONS: PolicyViolations = { count: 0, samples: [] };

/**
 * The enforcing side: one level-triggered reconcile over the whole cluster. A round only plans; writes and proofs run on
 * their own and ask for the next round when something came of them.
 */
export class Controller {
  readonly #deps: ControllerDeps;
  readonly #signal: AbortSignal;
  readonly #queue: WorkQueue;
  readonly #pool: WorkPool;
  readonly #prober: Prober;
  readonly #canary: CanaryProber;
  readonly #audits: AuditComparison;
  readonly #context: WorkContext;
  readonly #notices: Notices;
  readonly #tampering = new TamperLog();
  readonly #statuses = new StatusBook();
  readonly #targets = new ProbeTargets();
  readonly #pace = new ConstraintPace();
  readonly #violations = new ViolationFinder();
  /** When lock 2 of a policy was first seen unproven, monotonic. */
  readonly #unprovenSince = new Map<string, number>();
  #plan: ClusterPlan | undefined;
  #rounds = 0;
  #restUntil = 0;

  constructor(deps: ControllerDeps, signal: AbortSignal) {
    this.#deps = deps;
    this.#signal = signal;
    this.#queue = new WorkQueue({ clock: deps.clock });
    const wake = (): void => this.#wake();
    this.#context = { client: deps.client, view: deps.view, onTookOver: (repair) => this.#notices.repaired(repair) };
    this.#notices = new Notices({ ...deps, tampering: this.#tampering });
    this.#pool = new WorkPool(
      {
        concurrency: 16,
        clock: deps.clock,
        retry: { firstMs: deps.retryMs[0], secondMs: deps.retryMs[1], capMs: 300_000, random: deps.random },
        echoMs: 1_000,
        onDone: (work) => this.#done(work),
        onFailure: (work, failure, error) => this.#failed(work, failure, error),
        onWake: wake,
      },
      signal,
    );
    this.#prober = new Prober(
      {
        client: deps.client,
        clock: deps.clock,
        floor: { isFloorPolicy: isFloorName },
        bindGate: deps.capabilities.floor,
        concurrency: 16,
        patienceMs: 10_000,
        onChange: wake,
        onVerdict: (result) => deps.metrics.probes.inc({ result }),
      },
      signal,
    );
    this.#canary = new CanaryProber(
      {
        client: deps.client,
        clock: deps.clock,
        floor: { isFloorPolicy: isFloorName },
        concurrency: 16,
        patienceMs: 3_000,
        onChange: wake,
        onVerdict: (result) => deps.metrics.probes.inc({ result }),
      },
      signal,
    );
    this.#audits = new AuditComparison((message) => deps.events.ofCluster({ severity: 'warning', reason: 'AuditDiffers', message }));
    void rotate(deps.clock, { prober: this.#prober, canary: this.#canary }, signal);
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
    const plan = planCluster(view, this.#deps, now, this.#plan);
    this.#plan = plan;
    const lockTwo = this.#pace.due(plan, this.#unprovenSince.size, started);
    if (lockTwo.waitMs !== undefined) this.#wake(lockTwo.waitMs);
    const enforcing = actionWorks(
      [...plan.parameters, ...plan.namespaces, ...plan.floor, ...plan.injection, ...lockTwo.actions],
      this.#context,
    );
    const indexed = indexedNamespaces(plan, this.#pool.failures());
    this.#prober.expect(capabilities.floor ? this.#targets.of(plan, view, indexed) : NO_TARGETS);
    this.#canary.expect(canaryTargets(plan, view));
    const reporting = this.#report(plan, indexed, now);
    const stuck = new Set(
      this.#pool
        .failures()
        .filter(isAlert)
        .map(({ key }) => key),
    );
    this.#pool.submit([...enforcing, ...finalizerWorks(plan, stuck, this.#context), ...reporting]);
    const ended = clock.monotonicMs();
    metrics.reconcileSeconds.observe((ended - started) / 1000);
    this.#restUntil = ended + (ended - started) * REST_SHARE;
    this.#rounds += 1;
    if (this.#rounds === 1) this.#deps.onFirstRound();
    return this.#nextRound(plan, now);
  }

  #nextRound({ governance }: ClusterPlan, now: Date): ReconcileResult {
    const waits: number[] = [];
    if (governance.nextChangeAt !== undefined) waits.push(governance.nextChangeAt.getTime() - now.getTime() + 1);
    const grace = this.#deps.gatekeeperGraceMs;
    const elapsed = [...this.#unprovenSince.values()].map((since) => this.#deps.clock.monotonicMs() - since);
    waits.push(...elapsed.filter((ms) => ms < grace).map((ms) => grace - ms + 1));
    const toldMs = this.#tampering.endsInMs(now);
    if (toldMs !== undefined) waits.push(toldMs);
    if (waits.length === 0) return {};
    return { requeueAfterMs: Math.min(MAX_TIMER_MS, Math.max(1, Math.min(...waits))) };
  }

  #lockInput(plan: ClusterPlan, indexed: ReadonlySet<string>): LockInput {
    const { capabilities, view, gatekeeperGraceMs, clock } = this.#deps;
    const now = clock.monotonicMs();
    return {
      governance: plan.governance,
      constraintsOf: (policy) => plan.constraintsByPolicy.get(policy) ?? [],
      probe: (namespace) => this.#prober.state(namespace),
      unapplied: plan.unapplied,
      indexed,
      floor: { supported: capabilities.floor, installed: plan.floorWhole, problem: findFloorProblem(view.admissionPolicies.list()) },
      gatekeeper: {
        served: view.templates.served,
        problem: plan.templateProblem ?? plan.constraintProblem(CANARY_NAME),
        exists: (name) => plan.constraintExists(name),
        constraintProblem: (name) => plan.constraintProblem(name),
        canary: (namespace) => this.#canary.state(namespace),
        outage: this.#canary.outage,
        graceMs: gatekeeperGraceMs,
      },
      failures: this.#pool.failures(),
      unprovenMs: (policy) => now - (this.#unprovenSince.get(policy) ?? now),
    };
  }

  /** Status of every policy, its events, and the snapshot. @returns the status writes that are due. */
  #report(plan: ClusterPlan, indexed: ReadonlySet<string>, now: Date): Work[] {
    const locks = this.#lockInput(plan, indexed);
    const injecting = { ...locks, served: isInjectionServed(this.#deps.view), installed: plan.injection.length === 0 };
    const found = this.#violations.find({
      governance: plan.governance,
      podsIn: (namespace) => this.#deps.view.podsIn(namespace),
      node: (name) => this.#deps.view.nodes.get(name),
      now,
    });
    const audits = this.#compareAudits(plan);
    const snapshots = new Map<string, PolicySnapshot>();
    const works: Work[] = [];
    for (const policy of plan.policies) {
      const outcome = plan.governance.policies.get(policy.key);
      const live = this.#deps.view.livePolicy(policy.key);
      // A policy that is being deleted has no outcome.
      if (outcome === undefined || live === undefined) continue;
      this.#trackLockTwo(policy.key, outcome, locks);
      const violations = found.get(policy.key) ?? NO_VIOLATIONS;
      const result = this.#statuses.plan(
        {
          policy,
          outcome,
          live,
          violations: violations.count,
          injection: injectionFacts(policy, outcome, injecting),
          audit: auditOfPolicy(locks.constraintsOf(policy.key), audits),
          tampering: this.#tampering.ofPolicy(policy.key, now),
        },
        locks,
        now,
      );
      snapshots.set(policy.key, snapshotOf(policy, result.status)(violations));
      works.push(...this.#tell(live, result));
    }
    this.#publish(snapshots, plan);
    this.#notices.round(plan);
    return works;
  }

  #compareAudits({ enforcedConstraints }: ClusterPlan): ReadonlyMap<string, AuditFacts> {
    const { view } = this.#deps;
    return this.#audits.compare({
      constraints: view.templates.served ? enforcedConstraints : [],
      namespaces: view.namespaces.list().map(({ metadata }) => metadata.name),
      podsIn: (namespace) => view.podsIn(namespace),
    });
  }

  /** Events of a status that changed. @returns its write, if one is due. */
  #tell(live: SovereignPolicy, { status, previous, write, heldMs }: StatusResult): Work[] {
    if (status !== previous) for (const event of planPolicyEvents(previous, status)) this.#deps.events.ofPolicy(live, event);
    if (heldMs > 0) this.#wake(heldMs);
    return write ? [statusWork(live, status, this.#context)] : [];
  }

  #trackLockTwo(policy: string, outcome: PolicyOutcome, locks: LockInput): void {
    if (outcome.kind !== 'governing' || isLockTwoProven(policy, outcome.namespaces, locks)) this.#unprovenSince.delete(policy);
    else if (!this.#unprovenSince.has(policy)) this.#unprovenSince.set(policy, this.#deps.clock.monotonicMs());
  }

  #publish(snapshots: ReadonlyMap<string, PolicySnapshot>, plan: ClusterPlan): void {
    const { observatory, metrics, view, capabilities, agentVersion } = this.#deps;
    this.#statuses.retain(snapshots);
    const now = this.#deps.clock.now();
    this.#tampering.retain(snapshots, now);
    for (const key of this.#unprovenSince.keys()) if (!snapshots.has(key)) this.#unprovenSince.delete(key);
    const facts = clusterFacts({
      view,
      gatekeeperProblem: plan.templateProblem?.message ?? plan.constraintProblem(CANARY_NAME)?.message ?? this.#canary.problem,
      agentVersion,
      kubernetesVersion: capabilities.kubernetesVersion,
      previous: observatory.snapshot().cluster,
      floor: capabilities.floor,
      overflow: plan.overflow,
      tampering: this.#tampering.ofCluster(now),
      now,
    });
    observatory.publish({ policies: snapshots, cluster: facts });
    measure(snapshots.values(), metrics);
  }

  /** Somebody else put it back: the CRD, or a policy of the hub. */
  repaired(repair: Repair): void {
    this.#notices.repaired(repair);
    this.#wake();
  }

  /** A policy was put back, and the hub knows it already. */
  noted(policy: string, message: string): void {
    this.#notices.policyRepaired(policy, message);
    this.#wake();
  }

  #done(work: Work): void {
    this.#notices.done(work);
    // The echo of the write brings the next round; works without one would wait for it in vain.
    this.#wake(DONE_DELAY_MS);
  }

  #failed(work: Work, failure: WorkFailure, error: unknown): void {
    this.#notices.failed(work, failure, error);
    this.#wake();
  }
}

/** The same as long as all that it is made of is: whoever reports sees by identity what changed. */
const snapshotOf = weakMemo2((policy: PolicyInput, status: SovereignPolicyStatus) =>
  weakMemo(
    (violations: PolicyViolations): PolicySnapshot => ({
      report: toReport(policy, status, violations),
      generation: policy.generation,
      observedGeneration: status.observedGeneration ?? 0,
      proven: isProven(status) && status.observedGeneration === policy.generation,
    }),
  ),
);
