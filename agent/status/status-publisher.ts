import type { ClusterProcessing, SovereignPolicy } from '@fso/shared/api';
import type { GatekeeperPlace } from '@fso/shared/compile';
import { NAMESPACE_KIND, NODE_KIND } from '@fso/shared/kube';
import type { Clock } from '@fso/shared/runtime';
import type { Write } from '../apply/index.ts';
import { buildStatusWrite, type WriteContext } from '../apply/index.ts';
import { POD_KIND } from '../cache/index.ts';
import { isSameMap } from '../compare.ts';
import type { DenialWatch, KnownDenials } from '../denials/index.ts';
import type { Governance, PolicyOutcome } from '../enforce/index.ts';
import type { AgentMetrics } from '../metrics.ts';
import type { Claim, RoundParts } from '../observation/index.ts';
import type { EventSink, LiveObservatory, PolicySnapshot, TamperLog, ViolationTimeStore } from '../observe/index.ts';
import {
  AuditComparison,
  type AuditFacts,
  auditOfPolicy,
  locatePods,
  NamespaceLabelCache,
  NO_VIOLATIONS,
  type PolicyViolations,
  ViolationFinder,
} from '../observe/index.ts';
import type { Capabilities, ClusterPlan } from '../plan/index.ts';
import { isInjectionServed } from '../plan/index.ts';
import type { KnownRisks, RiskWatch } from '../risk/index.ts';
import { clusterFacts, profileOf } from './cluster-facts.ts';
import { injectionFacts } from './injection-facts.ts';
import type { LockMonitor } from './lock-monitor.ts';
import { isShown, planPolicyEvents } from './policy-events.ts';
import { type RevisionState, RevisionTracker } from './revision-tracker.ts';
import { ownInputs, type Round, SettledPolicies, type Subject, sharedInputs } from './settled-policies.ts';
import { SnapshotCache } from './snapshot-cache.ts';
import { StatusCache, type StatusResult } from './status-cache.ts';
import { isUnobserved, TURN_MS, TurnLimit } from './unobserved-status.ts';

/**
 * Dependencies of the status publisher: where it reads the state of locks, risks and denials, and
 * where it sends the results of a reconcile.
 */
export interface StatusPublisherDeps {
  readonly clock: Clock;
  readonly capabilities: Capabilities;
  /** Place of Gatekeeper, as used by governance. */
  readonly place: GatekeeperPlace;
  readonly monitor: LockMonitor;
  readonly context: WriteContext;
  /** Receivers of the results, in addition to the status writes. */
  readonly outputs: { readonly observatory: LiveObservatory; readonly events: EventSink; readonly metrics: AgentMetrics };
  readonly tampering: TamperLog;
  readonly violationTimes: ViolationTimeStore;
  readonly risks: Pick<RiskWatch, 'look'>;
  readonly denials: Pick<DenialWatch, 'look'>;
  readonly revisions: RevisionState;
  /** Called whenever the accepted commit is found to be proven. */
  readonly onProven: (revision: string) => void;
  readonly parts: Pick<RoundParts, 'run'>;
  readonly observation: {
    /**
     * @returns function that gives the reason why a claim cannot be made now; undefined if it can
     */
    problems(): (claim: Claim) => string | undefined;
    /** Whether the policies in the cluster show that it is not observed. */
    isShown(): boolean;
  };
  /** Requests the next reconcile. */
  readonly wake: (delayMs: number) => void;
}

/**
 * Publishes the results of step ⑦: after each reconcile the status and events of each policy, the
 * snapshot that the report reads, and metrics.
 */
export class StatusPublisher {
  readonly #deps: StatusPublisherDeps;
  readonly #statuses = new StatusCache();
  readonly #settled = new SettledPolicies();
  readonly #violations = new ViolationFinder();
  readonly #labels = new NamespaceLabelCache();
  readonly #snapshots = new SnapshotCache();
  readonly #audits: AuditComparison;
  readonly #revisions: RevisionTracker;
  /** Violations as of the last reconcile in which they could be found. */
  #found: ReadonlyMap<string, PolicyViolations> = new Map();
  readonly #turns: TurnLimit;
  /** Outcomes of the last reconcile. Another object means that policies were added or removed. */
  #outcomes: Governance['policies'] | undefined;

  constructor(deps: StatusPublisherDeps) {
    this.#deps = deps;
    this.#turns = new TurnLimit(deps.clock);
    this.#revisions = new RevisionTracker(deps.context.view.policies, deps.onProven);
    const { events } = deps.outputs;
    this.#audits = new AuditComparison((message) => events.ofCluster({ severity: 'warning', reason: 'AuditDiffers', message }));
  }

  /**
   * Publishes one reconcile.
   *
   * @param indexed namespaces that lock 1 enforces by its index
   * @returns the status writes that are due
   */
  publish(plan: ClusterPlan, indexed: ReadonlySet<string>, now: Date): readonly Write[] {
    const { parts } = this.#deps;
    const found = parts.run('violations', () => this.#findViolations(plan, now), this.#found);
    this.#found = found;
    const risks = this.#deps.risks.look(plan.governance);
    const denials = this.#deps.denials.look(plan.governance);
    return parts.run('status', () => this.#publishRound(plan, { indexed, found, risks, denials, now }), []);
  }

  #publishRound(plan: ClusterPlan, { indexed, found, risks, denials, now }: Findings): readonly Write[] {
    const { monitor, tampering, context, observation, parts, outputs } = this.#deps;
    const { view } = context;
    const locks = monitor.lockInput(plan, indexed);
    const { governance, unapplied } = plan;
    const { failures } = locks;
    const injecting = { governance, unapplied, failures, served: isInjectionServed(view), installed: plan.isInjectionInPlace };
    const audits = parts.run('violations', () => this.#compareAudits(plan), NO_AUDITS);
    const isUnobserved = observation.isShown();
    const round: Round = { locks, injecting, audits, isUnobserved, now };
    this.#settled.begin(sharedInputs(round));
    const before = outputs.observatory.snapshot().policies;
    const snapshots = new Map<string, PolicySnapshot>();
    const writes: Write[] = [];
    for (const policy of plan.policies) {
      const outcome = governance.policies.get(policy.key);
      const live = view.livePolicyOf(policy);
      // A policy that is being deleted has no outcome.
      if (outcome === undefined || live === undefined) continue;
      const violations = found.get(policy.key) ?? NO_VIOLATIONS;
      const subject = {
        policy,
        outcome,
        live,
        violations,
        risks: risksOf(risks, policy.key),
        denials: denials.policies.get(policy.key),
        tampered: tampering.ofPolicy(policy.key, now),
      };
      // A policy whose judgement fails does not affect the others.
      const judged = parts.run('status', () => this.#judgeOnce(subject, round), undefined);
      writes.push(...(judged?.due ?? []));
      const snapshot = judged?.snapshot ?? before.get(policy.key);
      // A namespace may have any number of surplus policies, which must not crowd others out of the
      // report.
      if (snapshot !== undefined && !isSurplus(outcome)) snapshots.set(policy.key, snapshot);
    }
    this.#retain(governance.policies);
    this.#publishSnapshot(snapshots, plan, { risks, denials, asOf: now });
    return writes;
  }

  /** Judges a policy, unless all inputs of its status are unchanged. */
  #judgeOnce(subject: Subject, round: Round): Judged {
    const inputs = ownInputs(subject, round, this.#deps.context.view.namespaces);
    const settled = this.#settled.find(subject.policy.key, inputs);
    return settled === undefined ? this.#judge(subject, inputs, round) : { snapshot: settled, due: [] };
  }

  /**
   * Judges a policy, and remembers the result if it needs no judgement while the inputs are
   * unchanged.
   *
   * @returns snapshot, and the write of the status if one is due
   */
  #judge(subject: Subject, inputs: readonly unknown[], round: Round): Judged {
    const { monitor, context } = this.#deps;
    const { policy, outcome, live, violations, risks, denials, tampered } = subject;
    const { locks, injecting, audits, isUnobserved, now } = round;
    monitor.track(policy.key, outcome, locks);
    const observed = {
      violations: violations.count,
      risks,
      denials,
      injection: injectionFacts(policy, outcome, injecting),
      audit: auditOfPolicy(locks.plan.constraintsOf(policy.key), audits),
      tampering: tampered,
    };
    const result = this.#statuses.plan({ policy, outcome, live, observed, isUnobserved }, locks, now);
    const labels = this.#labels.of(policy.key, outcome, (name) => context.view.namespaces.get(name));
    const snapshot = this.#snapshots.of({ policy, status: result.status, violations, labels });
    const due = this.#recordStatus(live, result, isSurplus(outcome));
    const isWritten = !result.write && result.heldMs === 0 && result.status === result.previous;
    if (isWritten && !monitor.isUnproven(policy.key)) this.#settled.keep(policy.key, inputs, snapshot);
    else this.#settled.forget(policy.key);
    return { snapshot, due };
  }

  #findViolations({ governance }: ClusterPlan, now: Date): ReadonlyMap<string, PolicyViolations> {
    const { context, violationTimes } = this.#deps;
    context.view.assertRead(NAMESPACE_KIND, NODE_KIND, POD_KIND);
    context.view.places.assertKnown();
    const found = this.#violations.find({
      governance,
      podsIn: (namespace) => context.view.podsIn(namespace),
      nodes: context.view.places.byName,
      restored: violationTimes.take(),
      now,
    });
    violationTimes.keep(this.#violations.reported);
    return found;
  }

  #compareAudits({ enforcedConstraints }: ClusterPlan): ReadonlyMap<string, AuditFacts> {
    const { view } = this.#deps.context;
    return this.#audits.compare({
      constraints: view.templates.served ? enforcedConstraints : [],
      namespaces: view.namespaces.list().map(({ metadata }) => metadata.name),
      podsIn: (namespace) => view.podsIn(namespace),
    });
  }

  /** Records the events of a status that changed. @returns its write, if one is due */
  #recordStatus(live: SovereignPolicy, { status, shown, previous, write, heldMs }: StatusResult, isQuiet: boolean): Write[] {
    const { outputs, context, wake } = this.#deps;
    const events = status === previous || isQuiet ? [] : planPolicyEvents(previous, status);
    for (const event of events) {
      if (isShown(live.status, previous, event)) outputs.events.reportOnly(live, event);
      else outputs.events.ofPolicy(live, event);
    }
    if (heldMs > 0) wake(heldMs);
    if (!write) return [];
    if (isUnobserved(live.status) !== isUnobserved(shown) && !this.#turns.take(shown)) {
      wake(TURN_MS);
      return [];
    }
    return [buildStatusWrite(live, shown, context)];
  }

  #retain(outcomes: Governance['policies']): void {
    const { clock, monitor, tampering } = this.#deps;
    tampering.retain(outcomes, clock.now());
    if (outcomes === this.#outcomes) return;
    this.#outcomes = outcomes;
    for (const known of [this.#statuses, this.#settled, this.#labels, this.#snapshots, monitor]) known.retain(outcomes);
  }

  #publishSnapshot(
    snapshots: ReadonlyMap<string, PolicySnapshot>,
    plan: ClusterPlan,
    { risks, denials, asOf }: Pick<Findings, 'risks' | 'denials'> & { readonly asOf: Date },
  ): void {
    const { outputs, context, capabilities, place, monitor, tampering, observation, clock } = this.#deps;
    const { observatory, metrics } = outputs;
    const now = clock.now();
    const { policies, cluster: previous, profile: known } = observatory.snapshot();
    const cluster = clusterFacts({
      view: context.view,
      capabilities,
      problems: monitor.findProblems(plan),
      notObserved: observation.problems(),
      overflow: plan.overflow,
      risks,
      denials,
      tampering: tampering.ofCluster(now),
      previous,
      now,
    });
    const profile = profileOf({ view: context.view, capabilities, place }, known);
    const seen = isSameMap(policies, snapshots) ? policies : snapshots;
    const locate = (): ClusterProcessing => locatePods(plan.governance, context.view);
    const snapshot = { policies: seen, cluster, profile, asOf, locate, revision: this.#revisions.look(this.#deps.revisions, seen) };
    observatory.publish(snapshot);
    metrics.measure(snapshot);
  }

  /** Publishes the last results again, with the commit that was accepted since. */
  publishAccepted(): void {
    const { observatory } = this.#deps.outputs;
    const snapshot = observatory.snapshot();
    observatory.publish({ ...snapshot, revision: this.#revisions.look(this.#deps.revisions, snapshot.policies) });
  }
}

const NO_AUDITS: ReadonlyMap<string, AuditFacts> = new Map();

/** Findings of a reconcile that precede the status of each policy. */
interface Findings {
  readonly indexed: ReadonlySet<string>;
  readonly found: ReadonlyMap<string, PolicyViolations>;
  readonly risks: KnownRisks;
  readonly denials: KnownDenials;
  readonly now: Date;
}

/** Published state of a policy, with the writes that are due. */
interface Judged {
  readonly snapshot: PolicySnapshot;
  readonly due: readonly Write[];
}

const risksOf = ({ policies }: KnownRisks, policy: string): Subject['risks'] => (policies === 'recent' ? policies : policies?.get(policy));

const isSurplus = (outcome: PolicyOutcome): boolean => outcome.kind === 'invalid' && outcome.surplus === true;
