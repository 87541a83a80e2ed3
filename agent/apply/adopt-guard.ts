import { LABELS } from '@fso/shared/api';
import { ADMISSION_POLICY_KIND, type KubeClient, type ValidatingAdmissionPolicy } from '@fso/shared/kube';
import type { MatchCondition } from '../enforce/admission-policies.ts';
import { desiredGuard, NOT_THE_AGENT } from '../enforce/guard/guard.ts';
import type { Action, Trust } from '../enforce/types.ts';
import { runAction } from './apply-action.ts';

/**
 * Writes this agent's user name into the existing guard. An agent with another user name than the one before could write nothing
 * else, not even the lease and its CRDs; admission policies are exempt from admission. Only the name is written: the rest
 * belongs to the leader, which may be another replica with other settings or of another version.
 *
 * @throws KubeApiError, KubeConnectionError
 */
export const adoptGuard = async (client: KubeClient, trust: Trust, signal: AbortSignal): Promise<void> => {
  const present = await client.list(ADMISSION_POLICY_KIND, { labelSelector: `${LABELS.component}=guard` }, signal);
  for (const action of planAdoption(present, trust)) await runAction(client, action, signal);
};

/** Plans that write. A missing policy is no obstacle, and left to the leader. */
export const planAdoption = (present: readonly ValidatingAdmissionPolicy[], trust: Trust): Action[] => {
  const wanted = new Map(desiredGuard(trust).policies.map((policy) => [policy.metadata.name, agentCondition(policy)]));
  return present.flatMap((policy) => {
    const condition = wanted.get(policy.metadata.name);
    if (condition === undefined || agentCondition(policy)?.expression === condition.expression) return [];
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
