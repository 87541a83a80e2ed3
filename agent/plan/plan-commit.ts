import { policyKeyOf, SYSTEM_NAMESPACE } from '@fso/shared/api';
import { SOVEREIGN_POLICY_KIND } from '@fso/shared/kube';
import type { ClusterView } from '../cache/index.ts';
import { type DesiredPolicies, type HubPoliciesPlan, planHubPolicies } from '../enforce/index.ts';

/** A commit of the hub that is to be written. */
export interface HubCommit {
  readonly desired: DesiredPolicies;
  /** Whether it was written and persisted before: what differs now was changed by someone else. */
  readonly isPersisted: boolean;
}

/** Plan without a commit: it has no writes, and nothing counts as written. */
export const NO_COMMIT: HubPoliciesPlan = { actions: [], isWritten: false };

/**
 * Plans which SovereignPolicies to apply or delete for the hub's commit; undefined: there is no
 * commit.
 *
 * @throws UnreadKindError: without a list of the policies all of them would be written again
 */
export const planCommit = (view: Pick<ClusterView, 'assertRead' | 'policies'>, commit: HubCommit | undefined): HubPoliciesPlan => {
  if (commit === undefined) return NO_COMMIT;
  view.assertRead(SOVEREIGN_POLICY_KIND);
  const own = view.policies.list().filter(({ metadata }) => metadata.namespace === SYSTEM_NAMESPACE);
  return planHubPolicies(commit.desired, new Map(own.map((policy) => [policyKeyOf(policy), policy])), commit.isPersisted);
};
