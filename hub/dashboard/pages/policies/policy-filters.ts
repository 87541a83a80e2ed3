import { useQuery } from '@tanstack/react-query';
import { regionsQuery } from '../../api/queries.ts';
import { CLUSTER_FILTER, type Filter, NAMESPACE_FILTER, REGION_FILTER } from '../../components/filters.ts';

const options = (texts: Readonly<Record<string, string>>): NonNullable<Filter['options']> =>
  Object.entries(texts).map(([value, text]) => ({ value, text }));

export const PHASE_FILTER: Filter = {
  name: 'phase',
  label: 'Phase',
  options: options({ Failed: 'Failed', Pending: 'Pending', Active: 'Active', Expired: 'Expired' }),
};

/** Filters of the list of policies; regions and clusters that the fleet has are offered. */
export const usePolicyFilters = (): readonly Filter[] => {
  const { data } = useQuery(regionsQuery);
  const regions = data?.items.map(({ region }) => region) ?? [];
  const clusters = new Set(data?.items.flatMap((region) => region.clusters));
  return [
    PHASE_FILTER,
    { name: 'action', label: 'Action', options: options({ deny: 'Deny', warn: 'Warn', dryrun: 'Dry run', custom: 'Custom' }) },
    { name: 'violating', label: 'Violations', options: options({ true: 'some', false: 'none' }) },
    { name: 'expiring', label: 'Expiring', options: options({ true: 'within 14 days', false: 'later or never' }) },
    { name: 'managedBy', label: 'Managed by', options: options({ hub: 'hub (Git)', local: 'cluster (local)' }) },
    { ...CLUSTER_FILTER, suggestions: [...clusters].sort((a, b) => a.localeCompare(b, 'en')) },
    NAMESPACE_FILTER,
    { ...REGION_FILTER, suggestions: regions },
  ];
};
