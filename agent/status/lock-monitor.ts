import { CANARY_NAMESPACE } from '@fso/shared/api';
import { API_SERVICE_KIND, CRD_KIND, FLOOR_PARAMETERS_KIND } from '@fso/shared/kube';
import type { Clock } from '@fso/shared/runtime';
import type { ClusterView } from '../cache/index.ts';
import { CANARY_NAME, type GatekeeperProblem, isAlert, type PolicyOutcome, type WriteFailure } from '../enforce/index.ts';
import type { Capabilities, ClusterPlan } from '../plan/index.ts';
import type { Probers } from '../probe/index.ts';
import { type ClusterProblems, findFloorProblem } from './cluster-facts.ts';
import { isLockTwoProven, type LockInput, worst } from './locks.ts';

/** Probers, failed writes and caches from which the states of locks are derived. */
export interface LockMonitorDeps {
  readonly clock: Clock;
  readonly view: Pick<ClusterView, 'admissionPolicies' | 'templates' | 'namespaces'>;
  readonly capabilities: Capabilities;
  readonly probers: Probers;
  /** Writes that currently fail. */
  readonly failures: () => readonly WriteFailure[];
  /** Time for which lock 2 of a policy may stay unproven before it counts as degraded, in ms. */
  readonly graceMs: number;
}

/**
 * Time for which the index may stay unproven, in ms. Longer than the restart of an API server, or
 * the installation of the floor by the agent.
 */
const INDEX_GRACE_MS = 60_000;

/** Keys of writes of the objects that lock 1 reads, and of what they depend on. */
const FOUNDATION = new RegExp(
  `^(${FLOOR_PARAMETERS_KIND.kind}|${CRD_KIND.kind}|${API_SERVICE_KIND.kind}|Namespace(?=/${CANARY_NAMESPACE}$))/`,
);

/**
 * Collects probe results, writes and caches for both locks, and tracks for how long lock 2 of each
 * policy has been unproven.
 */
export class LockMonitor {
  readonly #deps: LockMonitorDeps;
  /** Time at which lock 2 of each policy was first seen unproven, monotonic ms. */
  readonly #unprovenSince = new Map<string, number>();
  /**
   * Time at which the index was first seen unproven, monotonic ms; undefined while it is proven.
   */
  #indexUnprovenSince: number | undefined;

  constructor(deps: LockMonitorDeps) {
    this.#deps = deps;
  }

  /** Number of policies whose lock 2 is unproven. */
  get unprovenCount(): number {
    return this.#unprovenSince.size;
  }

  /** Whether lock 2 of a policy is unproven. */
  isUnproven(policy: string): boolean {
    return this.#unprovenSince.has(policy);
  }

  /** Whether probes show that lock 1 judges nothing by its index. */
  get isIndexOpen(): boolean {
    return this.#indexProblem() !== undefined;
  }

  /**
   * Lists the remaining grace periods, in ms: of each policy whose lock 2 is unproven and not yet
   * degraded, and of an unproven index that is not reported yet.
   */
  gracesLeftMs(): number[] {
    const { clock, graceMs } = this.#deps;
    const now = clock.monotonicMs();
    const leftMs = [...this.#unprovenSince.values()].map((since) => since + graceMs - now);
    if (this.#indexUnprovenSince !== undefined) leftMs.push(this.#indexUnprovenSince + INDEX_GRACE_MS - now);
    return leftMs.filter((ms) => ms > 0).map((ms) => ms + 1);
  }

  /**
   * Collects the facts from which the state of each policy's locks is derived.
   *
   * @param indexed namespaces that lock 1 enforces by its index
   */
  lockInput(plan: ClusterPlan, indexed: ReadonlySet<string>): LockInput {
    const { capabilities, view, graceMs, clock, probers, failures } = this.#deps;
    const now = clock.monotonicMs();
    this.#trackIndex(now);
    return {
      plan: {
        governance: plan.governance,
        constraintsOf: (policy) => plan.constraintsByPolicy.get(policy) ?? [],
        unapplied: plan.unapplied,
        indexed,
        unlisted: plan.unlisted,
      },
      probe: (namespace) => probers.lockOne.state(namespace),
      floor: {
        supported: capabilities.floor,
        installed: plan.floorWhole,
        problem: findFloorProblem(view.admissionPolicies.list()),
        outage: probers.lockOne.outage ?? this.#indexProblem(),
        unanswered: this.#indexSilence(),
        bindGate: capabilities.bindGate,
      },
      gatekeeper: {
        served: view.templates.served,
        problem: problemOfLockTwo(plan),
        exists: (name) => plan.constraintExists(name),
        constraintProblem: (name) => plan.constraintProblem(name),
        exclusion: (namespace) => plan.webhook.exclusion(namespace),
        canary: (namespace) => probers.lockTwo.state(namespace),
        outage: probers.lockTwo.outage,
        graceMs,
      },
      failures: failures(),
      unprovenMs: (policy) => now - (this.#unprovenSince.get(policy) ?? now),
    };
  }

  /** Records whether lock 2 of a policy is proven now. */
  track(policy: string, outcome: PolicyOutcome, locks: LockInput): void {
    if (outcome.kind !== 'governing' || isLockTwoProven(policy, outcome.namespaces, locks)) this.#unprovenSince.delete(policy);
    else if (!this.#unprovenSince.has(policy)) this.#unprovenSince.set(policy, this.#deps.clock.monotonicMs());
  }

  /** Drops all other policies. */
  retain(policies: Pick<ReadonlySet<string>, 'has'>): void {
    for (const key of this.#unprovenSince.keys()) if (!policies.has(key)) this.#unprovenSince.delete(key);
  }

  /** Finds the problems that keep the locks of the cluster as a whole from being in force. */
  findProblems(plan: ClusterPlan): ClusterProblems {
    return {
      gatekeeper: problemOfLockTwo(plan)?.message ?? textOfExclusions(plan) ?? this.#deps.probers.lockTwo.problem,
      guard: this.#guardProblem(plan),
      guardProof: this.#deps.probers.guard.problem,
      parameters: this.#parametersProblem(),
      index: this.#indexProblem(),
      indexSilence: this.#indexSilence(),
    };
  }

  #trackIndex(now: number): void {
    const isProven = this.#deps.probers.index.state(CANARY_NAMESPACE)?.state === 'proven';
    if (isProven || !this.#deps.capabilities.floor) this.#indexUnprovenSince = undefined;
    else this.#indexUnprovenSince ??= now;
  }

  #guardProblem({ guardWhole }: ClusterPlan): string | undefined {
    if (guardWhole) return undefined;
    const failure = this.#deps.failures().find(({ key }) => key.includes('/fso-guard-'));
    return failure === undefined ? 'the policies of the guard are not in place yet' : `${failure.key}: ${failure.error}`;
  }

  /**
   * Finds the problem of an index that judges nothing and lets pods pass. If all labels are right,
   * only its canary reveals it.
   */
  #indexProblem(): string | undefined {
    const { state, message = '' } = this.#deps.probers.index.state(CANARY_NAMESPACE) ?? {};
    return state === 'failed' ? `the index of lock 1 judges nothing: in namespace ${CANARY_NAMESPACE} ${message}` : undefined;
  }

  /**
   * Finds the problem of an index whose state is unknown, e.g. because another rule refuses first.
   */
  #indexSilence(): string | undefined {
    const { clock, probers, view } = this.#deps;
    const since = this.#indexUnprovenSince;
    const { state, message } = probers.index.state(CANARY_NAMESPACE) ?? {};
    if (since === undefined || clock.monotonicMs() - since < INDEX_GRACE_MS || state === 'failed' || state === 'proven') return undefined;
    const isGoing = view.namespaces.get(CANARY_NAMESPACE)?.metadata.deletionTimestamp !== undefined;
    const why = [isGoing ? 'the namespace is being deleted' : undefined, message].filter((text) => text !== undefined).join('; ');
    return `the index of lock 1 is not proven: in namespace ${CANARY_NAMESPACE} ${why === '' ? 'nothing can be asked yet' : why}`;
  }

  /**
   * Finds the problem of the objects that lock 1 depends on: the index and the regions of nodes.
   * Labels are not among them, as each concerns certain policies.
   */
  #parametersProblem(): string | undefined {
    const failures = this.#deps
      .failures()
      .filter((failure) => (isAlert(failure) || failure.notKept === true) && FOUNDATION.test(failure.key));
    return failures.length === 0 ? undefined : failures.map(({ key, error }) => `${key}: ${error}`).join('; ');
  }
}

/** Finds the problem that keeps lock 2 of every policy from being in force. */
const problemOfLockTwo = ({ templateProblem, constraintProblem, webhook }: ClusterPlan): GatekeeperProblem | undefined =>
  worst([templateProblem, constraintProblem(CANARY_NAME), webhook.problem]);

/** Describes the governed namespaces that the webhook's configuration skips. */
const textOfExclusions = ({ governance, webhook }: ClusterPlan): string | undefined => {
  let first: string | undefined;
  let count = 0;
  for (const namespace of governance.namespaces.keys()) {
    const exclusion = webhook.exclusion(namespace);
    if (exclusion === undefined) continue;
    first ??= exclusion.message;
    count += 1;
  }
  return first === undefined || count === 1 ? first : `${first} (and ${count - 1} more namespaces)`;
};
