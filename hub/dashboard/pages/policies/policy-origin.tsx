import type { PolicyView } from '@fso/shared/api';
import { Empty } from '../../components/empty-states.tsx';

/**
 * Origin of a policy.
 *
 * - git: the commit in force contains it
 * - removed: the hub delivered it, and the commit in force no longer contains it
 * - local: it was applied to a cluster
 */
type Origin = 'git' | 'removed' | 'local';

/** Determines the origin of a policy. */
export const originOf = ({ source, managedBy }: Pick<PolicyView, 'source' | 'managedBy'>): Origin => {
  if (source !== null) return 'git';
  return managedBy === 'local' ? 'local' : 'removed';
};

interface NotInGitProps {
  readonly policy: PolicyView;
  /** Name of what the policy therefore lacks, e.g. `document`. */
  readonly what: string;
}

export const NotInGit = ({ policy, what }: NotInGitProps) =>
  originOf(policy) === 'local' ? (
    <Empty title={`A local policy has no ${what} in Git`}>
      It was applied to a cluster:{' '}
      <code>
        kubectl get sovereignpolicy -n {policy.namespace} {policy.name} -o yaml
      </code>
    </Empty>
  ) : (
    <Empty title="This policy is no longer in Git">
      The commit in force does not have it, so it has no {what}. The commit that removed it is under Activity.
    </Empty>
  );
