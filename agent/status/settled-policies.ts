import { isDeepStrictEqual } from 'node:util';
import type { KubeObject, SovereignPolicy } from '@fso/shared/api';
import { sameItems } from '@fso/shared/runtime';
import type { PolicyInput, PolicyOutcome } from '../enforce/index.ts';
import type { AuditFacts, PolicySnapshot, PolicyViolations, TamperLog } from '../observe/index.ts';
import type { InjectionInput } from './injection-facts.ts';
import type { LockInput } from './locks.ts';
import type { PolicyObservations } from './plan-status.ts';
import { daysLeft } from './status-cache.ts';

/** Facts that hold for all policies in one reconcile. */
export interface Round {
  readonly locks: LockInput;
  readonly injecting: InjectionInput;
  readonly audits: ReadonlyMap<string, AuditFacts>;
  /** Whether the policies in the cluster show that it is not observed. */
  readonly isUnobserved: boolean;
  readonly now: Date;
}

/** Policy with its findings. */
export interface Subject {
  readonly policy: PolicyInput;
  readonly outcome: PolicyOutcome;
  readonly live: SovereignPolicy;
  readonly violations: PolicyViolations;
  readonly risks: PolicyObservations['risks'];
  readonly denials: PolicyObservations['denials'];
  readonly tampered: ReturnType<TamperLog['ofPolicy']>;
}

/**
 * Policies whose status is written and cannot change by time alone. They are not judged again while
 * all inputs are unchanged, which in most reconciles holds for all policies but one.
 */
export class SettledPolicies {
  readonly #known = new Map<string, { readonly inputs: readonly unknown[]; readonly snapshot: PolicySnapshot }>();
  #shared: unknown;

  /**
   * Begins a reconcile.
   *
   * @param shared inputs of every status, compared by value
   */
  begin(shared: unknown): void {
    if (!isDeepStrictEqual(shared, this.#shared)) this.#known.clear();
    this.#shared = shared;
  }

  /**
   * @param inputs inputs of this status alone, compared by identity
   * @returns undefined if the policy has to be judged
   */
  find(policy: string, inputs: readonly unknown[]): PolicySnapshot | undefined {
    const known = this.#known.get(policy);
    return known !== undefined && sameItems(known.inputs, inputs) ? known.snapshot : undefined;
  }

  keep(policy: string, inputs: readonly unknown[], snapshot: PolicySnapshot): void {
    this.#known.set(policy, { inputs, snapshot });
  }

  forget(policy: string): void {
    this.#known.delete(policy);
  }

  /** Drops all other policies. */
  retain(policies: Pick<ReadonlySet<string>, 'has'>): void {
    for (const policy of this.#known.keys()) if (!policies.has(policy)) this.#known.delete(policy);
  }
}

/** Inputs of every policy's status. */
export const sharedInputs = ({ locks, injecting, isUnobserved }: Round): object => {
  const { plan, floor, gatekeeper, failures } = locks;
  const { served, installed } = injecting;
  const { served: isServed, problem, outage, graceMs } = gatekeeper;
  return {
    floor,
    gatekeeper: { isServed, problem, outage, graceMs },
    failures,
    indexed: plan.indexed,
    injection: { served, installed },
    isUnobserved,
  };
};

/** Inputs of one policy's status, in addition to the shared ones. */
export const ownInputs = (
  { policy, outcome, live, violations, risks, denials, tampered }: Subject,
  { locks, audits, now }: Round,
  namespaces: { get(name: string): KubeObject | undefined },
): readonly unknown[] => {
  const { plan, gatekeeper } = locks;
  const inputs: unknown[] = [
    policy,
    outcome,
    live,
    violations,
    risks,
    denials,
    tampered,
    daysLeft(policy, now),
    plan.unlisted.has(policy.key),
  ];
  for (const name of plan.constraintsOf(policy.key))
    inputs.push(name, gatekeeper.exists(name), gatekeeper.constraintProblem(name), audits.get(name));
  for (const name of outcome.kind === 'governing' ? outcome.namespaces : [])
    inputs.push(
      namespaces.get(name),
      plan.governance.namespaces.get(name),
      plan.unapplied.has(name),
      locks.probe(name),
      gatekeeper.exclusion(name),
      gatekeeper.canary(name),
    );
  return inputs;
};
