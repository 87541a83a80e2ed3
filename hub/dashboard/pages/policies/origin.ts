import type { PolicyView } from '@fso/shared/api';

/** git: the commit in force has it. removed: the hub delivered it, and the commit in force has it no more. local: applied to a cluster. */
type Origin = 'git' | 'removed' | 'local';

export const originOf = ({ source, managedBy }: Pick<PolicyView, 'source' | 'managedBy'>): Origin => {
  if (source !== null) return 'git';
  return managedBy === 'local' ? 'local' : 'removed';
};
