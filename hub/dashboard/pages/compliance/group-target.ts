import type { DenialGrouping, RiskGrouping, ViolationGrouping } from '@fso/shared/api';

/**
 * Name in URLs for workloads without a region, as a URL drops a parameter without a value. No
 * region can have this name.
 */
export const NO_REGION = '(none)';

type GroupTarget = Readonly<Partial<Record<'policy' | 'cluster' | 'namespace' | 'kind' | 'name' | 'region', string>>>;

/**
 * Filters of the list that show what a group counts; none where no filter does. @param key as the
 * API gives it
 */
export const targetOfGroup = (by: ViolationGrouping | RiskGrouping | DenialGrouping, key: string): GroupTarget => {
  const [cluster = '', namespace = '', kind = '', name = ''] = key.split('/');
  switch (by) {
    case 'policy':
      return { policy: key };
    case 'cluster':
      return { cluster: key };
    case 'namespace':
      return { cluster, namespace };
    case 'workload':
    case 'owner':
      return { cluster, namespace, kind, name };
    case 'region':
      return { region: key === '' ? NO_REGION : key };
    case 'team':
    case 'reason':
      return {};
  }
};

/** Key of a group of owners as people read it. */
export const textOfOwners = (by: RiskGrouping | DenialGrouping, key: string): string => {
  if (by === 'team' && key === '-') return 'No team';
  const { cluster = '', namespace, kind, name } = targetOfGroup(by, key);
  if (namespace === undefined) return key;
  return by === 'namespace' ? `${namespace} in ${cluster}` : `${kind} ${namespace}/${name} in ${cluster}`;
};
