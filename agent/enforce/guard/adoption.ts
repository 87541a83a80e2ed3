import { ADMISSION_POLICY_KIND, type ValidatingAdmissionPolicy } from '@fso/shared/kube';
import type { MatchCondition } from '../admission-policies.ts';
import type { Action, Trust } from '../types.ts';
import { agentExemptions, desiredGuard, NOT_THE_AGENT } from './guard.ts';
import { guards } from './guards.ts';

/**
 * Plans to write only this agent's user name into the existing guards. The rest belongs to the
 * leader, which may be a replica with other settings, or a version with more exemptions. A missing
 * policy refuses nothing and is left to the leader.
 */
export const planAdoption = (present: readonly ValidatingAdmissionPolicy[], trust: Trust): Action[] => {
  const wanted = new Map(desiredGuard(trust).policies.map((policy) => [policy.metadata.name, agentCondition(policy)]));
  const exemptions = new Map(guards(trust).map((guard) => [guard.name, agentExemptions(guard, trust)]));
  return present.flatMap((policy) => {
    const { name } = policy.metadata;
    const condition = wanted.get(name);
    if (condition === undefined || exemptions.get(name)?.includes(agentCondition(policy)?.expression ?? '') === true) return [];
    return adoption(policy, condition);
  });
};

const adoption = (policy: ValidatingAdmissionPolicy, condition: MatchCondition): Action => {
  const { name } = policy.metadata;
  const others = conditionsOf(policy).filter((other) => other.name !== NOT_THE_AGENT);
  return {
    type: 'patch',
    key: `${ADMISSION_POLICY_KIND.kind}/${name}`,
    kind: ADMISSION_POLICY_KIND,
    ref: { name },
    patch: { spec: { matchConditions: [condition, ...others] } },
    reason: 'Adopt',
    policies: [],
  };
};

const conditionsOf = ({ spec }: ValidatingAdmissionPolicy): readonly MatchCondition[] =>
  (spec?.['matchConditions'] as readonly MatchCondition[] | undefined) ?? [];

const agentCondition = (policy: ValidatingAdmissionPolicy): MatchCondition | undefined =>
  conditionsOf(policy).find(({ name }) => name === NOT_THE_AGENT);
