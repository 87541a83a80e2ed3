import { type ControllerMetrics, type ReconcileResult, runController, WorkQueue } from '@fso/shared/kube';
import { MAX_TIMER_MS, type PauseDetector } from '@fso/shared/runtime';
import type { Write, WritePool } from '../apply/index.ts';
import type { ClusterView } from '../cache/index.ts';
import type { AgentConfig } from '../config.ts';
import { DenialWatch, OwnRefusals } from '../denials/index.ts';
import type { AgentMetrics } from '../metrics.ts';
import { OBSERVATION_LIMITS, Observer } from '../observation/index.ts';
import type { EventSink, LiveObservatory, ViolationTimeStore } from '../observe/index.ts';
import { MalformedLog, TamperLog } from '../observe/index.ts';
import type { ClusterSettings } from '../plan/index.ts';
import {
  type ClusterPlan,
  canaryTargets,
  findNodeOutside,
  guardTargets,
  indexedNamespaces,
  isInjectionServed,
  ProbeTargets,
  UnsettledNamespaces,
  unwritableNamespaces,
} from '../plan/index.ts';
import type { ProbeTarget } from '../probe/index.ts';
import { Probers } from '../probe/index.ts';
import { type OwnerCache, OwnerEvents, RiskWatch, readTemplate, type ShapeRecorder, type WebhookCache } from '../risk/index.ts';
import type { AgentRuntime } from '../runtime.ts';
import { LockMonitor, StatusPublisher } from '../status/index.ts';
import { PlanningPace } from './planning-pace.ts';
import type { RevisionSlot } from './revision-slot.ts';
import { RoundPlanner } from './round-planner.ts';
import { RoundWriter } from './round-writer.ts';

/** Caches, settings and receivers of the results of reconciles. */
export interface ControllerDeps {
  readonly runtime: AgentRuntime;
  readonly config: Pick<AgentConfig, 'retryMs' | 'gatekeeperGraceMs' | 'limits' | 'readDenialsEveryMs' | 'ownerEvents'>;
  readonly settings: ClusterSettings;
  readonly view: ClusterView;
  /** Pauses of this process. The caches are read again after each. */
  readonly pauses: PauseDetector;
  /** Receivers of the results of a reconcile, in addition to the cluster. */
  readonly outputs: { readonly observatory: LiveObservatory; readonly events: EventSink; readonly metrics: AgentMetrics };
  readonly violationTimes: ViolationTimeStore;
  readonly owners: OwnerCache;
  readonly webhooks: WebhookCache;
  readonly shapes: ShapeRecorder;
  /** Called after the first reconcile. */
  readonly onFirstRound: () => void;
}

const KEY = 'cluster';
/** Delay in ms after changes of pods or nodes, which are frequent and affect only the report. */
const WORKLOAD_DELAY_MS = 250;
const NO_TARGETS: ReadonlyMap<string, ProbeTarget> = new Map();

/**
 * Level-triggered reconcile over the whole cluster (step ⑥). A reconcile only plans. Writes and
 * proofs run separately and request the next reconcile when they end.
 */
export class Controller {
  readonly #deps: ControllerDeps;
  readonly #signal: AbortSignal;
  readonly #queue: WorkQueue;
  readonly #probers: Probers;
  readonly #writer: RoundWriter;
  readonly #tampering = new TamperLog();
  readonly #targets = new ProbeTargets();
  readonly #unsettled = new UnsettledNamespaces();
  readonly #monitor: LockMonitor;
  readonly #publisher: StatusPublisher;
  #rounds = 0;
  readonly #observer: Observer;
  readonly #malformed: MalformedLog;
  readonly #planner: RoundPlanner;
  readonly #pace: PlanningPace;
  readonly #risks: RiskWatch;
  readonly #denials: DenialWatch;

  constructor(deps: ControllerDeps, signal: AbortSignal) {
    const { runtime, config, settings, view, pauses, outputs, violationTimes, owners, webhooks, shapes } = deps;
    const { client, clock, logger } = runtime;
    const { capabilities } = settings;
    this.#deps = deps;
    this.#signal = signal;
    this.#queue = new WorkQueue({ clock });
    this.#pace = new PlanningPace(clock);
    const { limits = OBSERVATION_LIMITS } = config;
    const onObserved = (): void => {
      outputs.observatory.notify();
      this.#wake();
    };
    this.#observer = new Observer({ clock, logger, limits, cache: view, pauses, events: outputs.events, onChange: onObserved }, signal);
    const { awake, parts } = this.#observer;
    this.#malformed = new MalformedLog(outputs.events, clock);
    this.#planner = new RoundPlanner({ view, settings, parts, events: outputs.events, tampering: this.#tampering });
    const wake = (delayMs?: number): void => this.#wake(delayMs);
    const wakeSoon = (): void => this.#wake(WORKLOAD_DELAY_MS);
    const onAccepted = (): void => this.#publisher.publishAccepted();
    const { retryMs } = config;
    const writing = { runtime, retryMs, view, outputs, planner: this.#planner, tampering: this.#tampering, wake, onAccepted };
    this.#writer = new RoundWriter(writing, signal);
    const onVerdict = (result: string) => outputs.metrics.probes.inc({ result });
    const onAnswer = (result: string) => outputs.metrics.templateDryRuns.inc({ result });
    const templates = { readPlacement: readTemplate, onAnswer, onChange: () => this.#risks.judgeSoon() };
    const own = new OwnRefusals();
    const probing = {
      client: own.counting(client),
      clock: awake,
      bindGate: capabilities.floor,
      nodeOutside: (regions: readonly string[]) => findNodeOutside(view, regions),
      onChange: () => this.#wake(),
      onVerdict,
      templates,
    };
    this.#probers = new Probers(probing, signal);
    this.#risks = new RiskWatch({
      owners,
      webhooks,
      shapes,
      events: config.ownerEvents === true ? new OwnerEvents({ owners, events: outputs.events, clock }) : undefined,
      view,
      dryRuns: this.#probers.templates,
      injects: () => isInjectionServed(view),
      clock: awake,
      logger,
      shownMs: limits.shownMs,
      wake: wakeSoon,
    });
    const reading = { clock: awake, readEveryMs: config.readDenialsEveryMs };
    this.#denials = new DenialWatch({ ...reading, runtime, owners, risks: this.#risks, own, wake: wakeSoon });
    const failures = () => this.#writer.pool.failures();
    this.#monitor = new LockMonitor({
      clock: awake,
      view,
      capabilities,
      probers: this.#probers,
      failures,
      graceMs: config.gatekeeperGraceMs,
    });
    this.#publisher = new StatusPublisher({
      clock,
      capabilities,
      place: settings.trust,
      monitor: this.#monitor,
      context: this.#writer.context,
      outputs,
      tampering: this.#tampering,
      violationTimes,
      risks: this.#risks,
      denials: this.#denials,
      revisions: this.#writer.revisions,
      onProven: (revision) => runtime.trace?.proven(revision),
      parts,
      observation: this.#observer,
      wake,
    });
  }

  /** Commits of the hub, for the intake. */
  get revisions(): RevisionSlot {
    return this.#writer.revisions;
  }

  /** Pool of the writes, shared with the reports for other tools. */
  get pool(): WritePool {
    return this.#writer.pool;
  }

  /** Dry runs of template pods. */
  get dryRuns(): Probers['templates'] {
    return this.#probers.templates;
  }

  /** Runs until the signal aborts. */
  async run(): Promise<void> {
    const { view, runtime, outputs } = this.#deps;
    const { metrics } = outputs;
    const stopWatching = view.subscribe({
      onChange: () => this.#wake(),
      onWorkload: () => this.#wake(WORKLOAD_DELAY_MS),
    });
    metrics.beginTerm({
      waitingWrites: () => this.pool.waiting,
      failingWrites: () => this.pool.failures().length,
      oldestProofs: () => this.#probers.oldestProofs(),
      ages: () => this.#observer.ages(),
      lateShare: () => this.#deps.pauses.lateShare(),
      disputedNodes: () => view.places.disputedCount,
    });
    outputs.observatory.follow(() => this.#observer.ages());
    this.#queue.add(KEY);
    try {
      const reconcile = () => Promise.resolve().then(() => this.#reconcile());
      const { logger } = runtime;
      const rounds = runController({ name: 'enforce', queue: this.#queue, logger, metrics: this.#roundMetrics(), reconcile }, this.#signal);
      await Promise.all([rounds, this.#observer.run(), this.#risks.run(this.#signal), this.#denials.run(this.#signal)]);
    } finally {
      stopWatching();
    }
  }

  /** Metrics that count a reconcile with a failed part as failed. */
  #roundMetrics(): ControllerMetrics {
    const { controller } = this.#deps.outputs.metrics;
    return { reconciled: (fact) => controller.reconciled(this.#observer.parts.hasFailed ? { ...fact, outcome: 'error' } : fact) };
  }

  /** Publishes the state of the cluster without a write or a proof, if no reconcile has done so. */
  observe(): void {
    if (this.#rounds > 0) return;
    const now = this.#deps.runtime.clock.now();
    this.#observer.parts.begin();
    const plan = this.#planner.plan(this.#monitor.isIndexOpen, undefined, now);
    // Everything unproven is pending. The signal has aborted, so no probe is sent.
    const indexed = this.#expectProofs(plan);
    this.#publisher.publish(plan, indexed, now);
    this.#recordRound(plan);
  }

  /**
   * Requests the next reconcile. It waits until the pace allows it, and at least `delayMs` to
   * coalesce changes.
   */
  #wake(delayMs = 0): void {
    this.#observer.invalidate();
    this.#queue.addAfter(KEY, Math.max(delayMs, this.#pace.restMs));
  }

  #reconcile(): ReconcileResult {
    const { runtime, view } = this.#deps;
    if (this.#observer.confirm()) return { requeueAfterMs: this.#observer.lookAgainMs() };
    const started = runtime.clock.monotonicMs();
    const now = runtime.clock.now();
    this.#observer.beginRound();
    const plan = this.#planner.plan(this.#monitor.isIndexOpen, this.revisions.commit, now);
    const throttled = { unproven: this.#monitor.unprovenCount, isProving: this.#probers.lockOne.pendingCount > 0 };
    const due = this.#writer.due(plan, throttled, started);
    const { parts } = this.#observer;
    const published = plan.isGoverned ? parts.run('status', () => this.#publish(plan, now), []) : [];
    this.#writer.submit(plan, due, published);
    this.#observer.endRound();
    this.#malformed.look(view.malformed);
    this.#pace.charge(runtime.clock.monotonicMs() - started, this.#waiting);
    this.#recordRound(plan);
    return this.#nextRound(plan, due.waitMs, now);
  }

  /**
   * Requests the proofs of a plan and publishes the current state.
   *
   * @returns the writes of statuses and finalizers
   */
  #publish(plan: ClusterPlan, now: Date): readonly Write[] {
    const indexed = this.#expectProofs(plan);
    const statuses = this.#publisher.publish(plan, indexed, now);
    return [...this.#writer.releases(plan), ...statuses];
  }

  /**
   * Number of writes and proofs that wait for their turn. Proofs do not count during an outage,
   * when most are pending but not requested.
   */
  get #waiting(): number {
    const { lockOne } = this.#probers;
    return this.pool.waiting + (lockOne.outage === undefined ? lockOne.pendingCount : 0);
  }

  /** Counts a reconcile that planned the policies. Without them a reconcile has no result yet. */
  #recordRound({ isGoverned }: ClusterPlan): void {
    if (!isGoverned) return;
    this.#rounds += 1;
    if (this.#rounds === 1) this.#deps.onFirstRound();
  }

  /** @returns namespaces that lock 1 enforces by its index */
  #expectProofs(plan: ClusterPlan): ReadonlySet<string> {
    const { runtime, view, settings } = this.#deps;
    const unwritable = unwritableNamespaces(this.pool.failures());
    const indexed = indexedNamespaces(plan, unwritable);
    const hasFloor = settings.capabilities.floor;
    this.#probers.lockOne.expect(hasFloor ? this.#targets.of(plan, view, indexed) : NO_TARGETS, plan.governance.namespaces);
    this.#probers.index.expect(hasFloor ? this.#targets.ofIndex(plan, view) : NO_TARGETS);
    this.#probers.guard.expect(hasFloor ? guardTargets(view, settings.trust) : new Map());
    const unsettled = this.#unsettled.update(plan.unapplied, runtime.clock.monotonicMs());
    this.#probers.lockTwo.expect(canaryTargets(plan, view, new Set([...unwritable, ...unsettled])));
    return indexed;
  }

  /** @param throttledMs time in ms until the next throttled write is due */
  #nextRound({ governance }: ClusterPlan, throttledMs: number | undefined, now: Date): ReconcileResult {
    const changeMs = governance.nextChangeAt && governance.nextChangeAt.getTime() - now.getTime() + 1;
    const settledMs = this.#unsettled.nextMs(this.#deps.runtime.clock.monotonicMs());
    const others = [throttledMs, changeMs, settledMs, this.#tampering.endsInMs(now), this.#planner.renewalWaitMs(now)];
    const waits = [...this.#monitor.gracesLeftMs(), ...others.filter((ms) => ms !== undefined)];
    const dueInMs = Math.min(MAX_TIMER_MS, Math.max(1, this.#pace.restMs, Math.min(...waits)));
    return { requeueAfterMs: this.#observer.nextLookMs(dueInMs) };
  }
}
