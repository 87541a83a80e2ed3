import { CANARY_NAMESPACE, type SovereignPolicy, type SovereignPolicyStatus } from '@fso/shared/api';
import { API_SERVICE_KIND, CRD_KIND, FLOOR_PARAMETERS_KIND } from '@fso/shared/kube';
import type { Clock } from '@fso/shared/runtime';
import type { Write } from '../apply/write-pool.ts';
import { type ClusterWriteContext, statusWrite } from '../apply/writes.ts';
import type { ClusterView } from '../cache/view.ts';
import { weakMemo2 } from '../enforce/compare.ts';
import { CANARY_NAME, type PolicyInput, type PolicyOutcome } from '../enforce/index.ts';
import { isAlert, type WriteFailure } from '../enforce/types.ts';
import { type AgentMetrics, measure } from '../metrics.ts';
import { AuditComparison, type AuditFacts, auditOfPolicy } from '../observe/audit.ts';
import type { EventSink } from '../observe/event-sink.ts';
import { NamespaceLabelCache, type NamespaceLabels } from '../observe/namespace-labels.ts';
import type { LiveObservatory } from '../observe/observatory.ts';
import { planPolicyEvents } from '../observe/plan-events.ts';
import type { TamperLog } from '../observe/tampering.ts';
import type { PolicySnapshot } from '../observe/types.ts';
import type { ViolationTimeStore } from '../observe/violation-times.ts';
import { type PolicyViolations, ViolationFinder } from '../observe/violations.ts';
import type { ClusterPlan } from '../plan/plan.ts';
import { type ClusterSettings, isInjectionServed } from '../plan/plan-lock-one.ts';
import type { CanaryProber } from '../probe/canary-prober.ts';
import type { Prober } from '../probe/prober.ts';
import { clusterFacts } from './cluster-facts.ts';
import { findFloorProblem } from './floor-problems.ts';
import { injectionFacts } from './injection-facts.ts';
import { isLockTwoProven, type LockInput } from './locks.ts';
import { isProven, toReport } from './plan-status.ts';
import { StatusCache, type StatusResult } from './status-cache.ts';

/** Writes of what lock 1 reads, and of what that stands on. */
const FOUNDATION = new RegExp(
  `^(${FLOOR_PARAMETERS_KIND.kind}|${CRD_KIND.kind}|${API_SERVICE_KIND.kind}|Namespace(?=/${CANARY_NAMESPACE}$))/`,
);

const NO_VIOLATIONS: PolicyViolations = { count: 0, samples: [] };

export interface StatusPublisherDeps extends ClusterSettings {
  readonly view: ClusterView;
  readonly clock: Clock;
  readonly observatory: LiveObservatory;
  readonly events: EventSink;
  readonly metrics: AgentMetrics;
  readonly agentVersion: string;
  readonly gatekeeperGraceMs: number;
  readonly prober: Prober;
  /** Of the index alone. */
  readonly index: Prober;
  readonly canary: CanaryProber;
  readonly tampering: TamperLog;
  readonly violationTimes: ViolationTimeStore;
  readonly context: ClusterWriteContext;
  /** Writes that fail now. */
  readonly failures: () => readonly WriteFailure[];
  /** Asks for the next round. */
  readonly wake: (delayMs: number) => void;
}

/** The telling half of a round: what became of each policy, for its status, for events, and for whoever reports further. */
export class StatusPublisher {
  readonly #deps: StatusPublisherDeps;
  readonly #statuses = new StatusCache();
  readonly #violations = new ViolationFinder();
  readonly #labels = new NamespaceLabelCache();
  readonly #audits: AuditComparison;
  /** When lock 2 of a policy was first seen unproven, monotonic. */
  readonly #unprovenSince = new Map<string, number>();

  constructor(deps: StatusPublisherDeps) {
    this.#deps = deps;
    this.#audits = new AuditComparison((message) => deps.events.ofCluster({ severity: 'warning', reason: 'AuditDiffers', message }));
  }

  /** Policies whose lock 2 is not proven. */
  get unprovenCount(): number {
    return this.#unprovenSince.size;
  }

  /** For each policy whose lock 2 is unproven and not yet degraded, the time until it is, in ms. */
  gracesLeftMs(): number[] {
    const { clock, gatekeeperGraceMs: grace } = this.#deps;
    const elapsed = [...this.#unprovenSince.values()].map((since) => clock.monotonicMs() - since);
    return elapsed.filter((ms) => ms < grace).map((ms) => grace - ms + 1);
  }

  #lockInput(plan: ClusterPlan, indexed: ReadonlySet<string>): LockInput {
    const { capabilities, view, gatekeeperGraceMs, clock } = this.#deps;
    const now = clock.monotonicMs();
    return {
      governance: plan.governance,
      constraintsOf: (policy) => plan.constraintsByPolicy.get(policy) ?? [],
      probe: (namespace) => this.#deps.prober.state(namespace),
      unapplied: plan.unapplied,
      indexed,
      floor: {
        supported: capabilities.floor,
        installed: plan.floorWhole,
        problem: findFloorProblem(view.admissionPolicies.list()),
        outage: this.#deps.prober.outage ?? this.#indexProblem(),
        bindGate: capabilities.bindGate,
      },
      gatekeeper: {
        served: view.templates.served,
        problem: plan.templateProblem ?? plan.constraintProblem(CANARY_NAME),
        exists: (name) => plan.constraintExists(name),
        constraintProblem: (name) => plan.constraintProblem(name),
        canary: (namespace) => this.#deps.canary.state(namespace),
        outage: this.#deps.canary.outage,
        graceMs: gatekeeperGraceMs,
      },
      failures: this.#deps.failures(),
      unprovenMs: (policy) => now - (this.#unprovenSince.get(policy) ?? now),
    };
  }

  /** Status of every policy, its events, and the snapshot. @returns the status writes that are due. */
  report(plan: ClusterPlan, indexed: ReadonlySet<string>, now: Date): Write[] {
    const locks = this.#lockInput(plan, indexed);
    const injecting = { ...locks, served: isInjectionServed(this.#deps.view), installed: plan.injection.length === 0 };
    const found = this.#violations.find({
      governance: plan.governance,
      podsIn: (namespace) => this.#deps.view.podsIn(namespace),
      node: (name) => this.#deps.view.nodes.get(name),
      restored: this.#deps.violationTimes.take(),
      now,
    });
    this.#deps.violationTimes.keep(this.#violations.reported);
    const audits = this.#compareAudits(plan);
    const snapshots = new Map<string, PolicySnapshot>();
    const present = new Set<string>();
    const writes: Write[] = [];
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
          tampering: this.#deps.tampering.ofPolicy(policy.key, now),
        },
        locks,
        now,
      );
      const labels = this.#labels.of(policy.key, outcome, (name) => this.#deps.view.namespaces.get(name));
      present.add(policy.key);
      // A namespace may have any number of these, and the hub has to hear of all the others.
      const isSurplus = outcome.kind === 'invalid' && outcome.surplus === true;
      if (!isSurplus) snapshots.set(policy.key, snapshotOf(policy, result.status)(violations, labels));
      writes.push(...this.#tell(live, result, isSurplus));
    }
    this.#retain(present);
    this.#publish(snapshots, plan);
    return writes;
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
  #tell(live: SovereignPolicy, { status, previous, write, heldMs }: StatusResult, isSurplus: boolean): Write[] {
    if (status !== previous && !isSurplus) for (const event of planPolicyEvents(previous, status)) this.#deps.events.ofPolicy(live, event);
    if (heldMs > 0) this.#deps.wake(heldMs);
    return write ? [statusWrite(live, status, this.#deps.context)] : [];
  }

  #trackLockTwo(policy: string, outcome: PolicyOutcome, locks: LockInput): void {
    if (outcome.kind !== 'governing' || isLockTwoProven(policy, outcome.namespaces, locks)) this.#unprovenSince.delete(policy);
    else if (!this.#unprovenSince.has(policy)) this.#unprovenSince.set(policy, this.#deps.clock.monotonicMs());
  }

  #guardProblem({ guardWhole }: ClusterPlan): string | undefined {
    if (guardWhole) return undefined;
    const failure = this.#deps.failures().find(({ key }) => key.includes('/fso-guard-'));
    return failure === undefined ? 'the policies of the guard are not in place yet' : `${failure.key}: ${failure.error}`;
  }

  /** A mute index lets pass, and nothing but its canary shows it where all labels are right. */
  #indexProblem(): string | undefined {
    const { state, message = '' } = this.#deps.index.state(CANARY_NAMESPACE) ?? {};
    return state === 'failed' ? `the index of lock 1 judges nothing: in namespace ${CANARY_NAMESPACE} ${message}` : undefined;
  }

  /** Policies rest on their own labels; what stands in for them, and the regions of nodes, is the cluster's. */
  #parametersProblem(): string | undefined {
    const failures = this.#deps
      .failures()
      .filter((failure) => (isAlert(failure) || failure.notKept === true) && FOUNDATION.test(failure.key));
    return failures.length === 0 ? undefined : failures.map(({ key, error }) => `${key}: ${error}`).join('; ');
  }

  #retain(present: ReadonlySet<string>): void {
    this.#statuses.retain(present);
    this.#labels.retain(present);
    this.#deps.tampering.retain(present, this.#deps.clock.now());
    for (const key of this.#unprovenSince.keys()) if (!present.has(key)) this.#unprovenSince.delete(key);
  }

  #publish(snapshots: ReadonlyMap<string, PolicySnapshot>, plan: ClusterPlan): void {
    const { observatory, metrics, view, capabilities, agentVersion } = this.#deps;
    const now = this.#deps.clock.now();
    const facts = clusterFacts({
      view,
      gatekeeperProblem: plan.templateProblem?.message ?? plan.constraintProblem(CANARY_NAME)?.message ?? this.#deps.canary.problem,
      agentVersion,
      kubernetesVersion: capabilities.kubernetesVersion,
      previous: observatory.snapshot().cluster,
      floor: capabilities.floor,
      guardProblem: this.#guardProblem(plan),
      parametersProblem: this.#parametersProblem(),
      indexProblem: this.#indexProblem(),
      overflow: plan.overflow,
      tampering: this.#deps.tampering.ofCluster(now),
      now,
    });
    observatory.publish({ policies: snapshots, cluster: facts });
    measure(snapshots.values(), metrics);
  }
}

/** The same as long as all that it is made of is: whoever reports sees by identity what changed. */
const snapshotOf = weakMemo2((policy: PolicyInput, status: SovereignPolicyStatus) =>
  weakMemo2(
    (violations: PolicyViolations, labels: readonly NamespaceLabels[]): PolicySnapshot => ({
      report: toReport(policy, status, { violations, labels }),
      generation: policy.generation,
      observedGeneration: status.observedGeneration ?? 0,
      proven: isProven(status) && status.observedGeneration === policy.generation,
    }),
  ),
);
