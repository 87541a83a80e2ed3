import type { DenialGrouping, RiskGrouping, ViolationGrouping } from '@fso/shared/api';

/**
 * Placeholder in URLs for workloads without a region, since a URL drops a parameter without a
 * value. No region can have this name.
 */
export const NO_REGION = '(none)';

type GroupTarget = Readonly<Partial<Record<'policy' | 'cluster' | 'namespace' | 'kind' | 'name' | 'region', string>>>;

/**
 * Returns the filters of the list that show the content of a group; empty if no filter can.
 *
 * @param key key of the group in the API
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

/** Formats the key of a group of owners for people. */
export const textOfOwners = (by: RiskGrouping | DenialGrouping, key: string): string => {
  if (by === 'team' && key === '-') return 'No team';
  const { cluster = '', namespace, kind, name } = targetOfGroup(by, key);
  if (namespace === undefined) return key;
  return by === 'namespace' ? `${namespace} in ${cluster}` : `${kind} ${namespace}/${name} in ${cluster}`;
};
