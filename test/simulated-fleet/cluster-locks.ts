import type { CompiledPolicy } from '@fso/shared/compile';
import { weakMemo } from '@fso/shared/runtime';
import { type ListedPolicy, listPolicy, NO_GATEKEEPER } from '@fso/shared/status';
import type { PolicyOutcome } from '../../agent/enforce/types.ts';
import type { LockFacts, PolicyLocks } from '../../agent/status/locks.ts';

/** Problem of a cluster, apart from violating pods. */
export type Trouble = 'tampered' | 'noGatekeeper' | 'lockOneFails' | 'unproven' | undefined;

const ENFORCED: LockFacts = { state: 'Enforced' };
const NOT_APPLICABLE: LockFacts = { state: 'NotApplicable' };

const listed = weakMemo((policy: CompiledPolicy): ListedPolicy => listPolicy(policy, ''));

/** Returns the proven state of a policy's locks in a cluster without problems. */
const wholeLocks = (asked: ListedPolicy['locks'], outcome: PolicyOutcome): PolicyLocks => {
  const lock = (isAsked: boolean): LockFacts => (isAsked && outcome.kind === 'governing' ? ENFORCED : NOT_APPLICABLE);
  const constraintCreated = asked.gatekeeper && outcome.kind !== 'expired';
  return { admission: lock(asked.admission), gatekeeper: lock(asked.gatekeeper), binding: lock(asked.binding), constraintCreated };
};

interface LockedPolicy {
  readonly asked: ListedPolicy['locks'];
  readonly outcome: PolicyOutcome;
  /** Whether the policy is the first one of the cluster. */
  readonly isFirst: boolean;
}

const locksOfOne = (trouble: Trouble, { asked, outcome, isFirst }: LockedPolicy): PolicyLocks => {
  const whole = wholeLocks(asked, outcome);
  if (trouble === 'noGatekeeper') {
    const gatekeeper: LockFacts = whole.gatekeeper === ENFORCED ? { state: 'Unavailable', message: NO_GATEKEEPER } : NOT_APPLICABLE;
    return { ...whole, gatekeeper, constraintCreated: false };
  }
  if (!isFirst) return whole;
  if (trouble === 'lockOneFails')
    return { ...whole, admission: { state: 'Degraded', message: 'a pod that leaves the regions was admitted by the API server' } };
  if (trouble === 'unproven')
    return { ...whole, gatekeeper: { state: 'Pending', message: 'no Gatekeeper pod enforces the constraint yet' } };
  return whole;
};

/** Returns the locks of the policies of a list, by key. */
export const locksOf = (
  trouble: Trouble,
  policies: readonly CompiledPolicy[],
  outcomes: ReadonlyMap<string, PolicyOutcome>,
): ReadonlyMap<string, PolicyLocks> =>
  new Map(
    policies.flatMap((policy, index): [string, PolicyLocks][] => {
      const outcome = outcomes.get(policy.name);
      if (outcome === undefined) return [];
      return [[policy.name, locksOfOne(trouble, { asked: listed(policy).locks, outcome, isFirst: index === 0 })]];
    }),
  );
