import { policyKeyOf, SYSTEM_NAMESPACE } from '@fso/shared/api';
import { SOVEREIGN_POLICY_KIND } from '@fso/shared/kube';
import type { ClusterView } from '../cache/index.ts';
import { type DesiredPolicies, type HubPoliciesPlan, planHubPolicies } from '../enforce/index.ts';

/** Commit of the hub that is to be written. */
export interface HubCommit {
  readonly desired: DesiredPolicies;
  /** Whether it was written and persisted before, so that any difference is drift. */
  readonly isPersisted: boolean;
}

/** Plan without a commit: no writes, and nothing counts as written. */
export const NO_COMMIT: HubPoliciesPlan = { actions: [], isWritten: false };

/**
 * Plans which SovereignPolicies to apply or delete for the hub's commit, if there is one.
 *
 * @throws UnreadKindError if the policies are not listed, as all of them would be written again
 */
export const planCommit = (view: Pick<ClusterView, 'assertRead' | 'policies'>, commit: HubCommit | undefined): HubPoliciesPlan => {
  if (commit === undefined) return NO_COMMIT;
  view.assertRead(SOVEREIGN_POLICY_KIND);
  const own = view.policies.list().filter(({ metadata }) => metadata.namespace === SYSTEM_NAMESPACE);
  return planHubPolicies(commit.desired, new Map(own.map((policy) => [policyKeyOf(policy), policy])), commit.isPersisted);
};
