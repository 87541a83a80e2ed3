import { useQuery } from '@tanstack/react-query';
import { regionsQuery } from '../../api/queries.ts';
import { ACTION_OPTIONS } from '../../components/state-label.tsx';
import { CLUSTER_FILTER, type Filter, NAMESPACE_FILTER, optionsOf, REGION_FILTER } from '../../lib/filters.ts';

export const PHASE_FILTER: Filter = {
  name: 'phase',
  label: 'Phase',
  options: optionsOf({ Failed: 'Failed', Pending: 'Pending', Active: 'Active', Expired: 'Expired' }),
};

/** Filters of the list of policies; regions and clusters that the fleet has are offered. */
export const usePolicyFilters = (): readonly Filter[] => {
  const { data } = useQuery(regionsQuery);
  const regions = data?.items.map(({ region }) => region) ?? [];
  const clusters = new Set(data?.items.flatMap((region) => region.clusters));
  return [
    PHASE_FILTER,
    { name: 'action', label: 'Action', options: ACTION_OPTIONS },
    { name: 'violating', label: 'Violations', options: optionsOf({ true: 'some', false: 'none' }) },
    { name: 'expiring', label: 'Expiring', options: optionsOf({ true: 'within 14 days', false: 'later or never' }) },
    { name: 'managedBy', label: 'Managed by', options: optionsOf({ hub: 'hub (Git)', local: 'cluster (local)' }) },
    { ...CLUSTER_FILTER, suggestions: [...clusters].sort((a, b) => a.localeCompare(b, 'en')) },
    NAMESPACE_FILTER,
    { ...REGION_FILTER, suggestions: regions },
  ];
};
