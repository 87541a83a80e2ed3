import '../policies.css';
import { policyKey } from '@fso/shared/api';
import { keepPreviousData, useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { policiesQuery, regionsQuery } from '../../../api/queries.ts';
import { Empty } from '../../../components/empty-states.tsx';
import { Page } from '../../../components/page-header.tsx';
import { ACTION_OPTIONS } from '../../../components/state-label.tsx';
import { SearchableTable } from '../../../components/tables/data-table.tsx';
import { CLUSTER_FILTER, type Filter, NAMESPACE_FILTER, optionsOf, REGION_FILTER } from '../../../lib/filters.ts';
import { PHASE_FILTER } from '../policy-values.tsx';
import { POLICY_COLUMNS } from './policy-columns.tsx';

/** Filters of the list of policies; regions and clusters that the fleet has are offered. */
const usePolicyFilters = (): readonly Filter[] => {
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

const route = getRouteApi('/shell/policies/');

export const PoliciesPage = () => {
  const search = route.useSearch();
  const query = useInfiniteQuery({ ...policiesQuery(search), placeholderData: keepPreviousData });
  const table = { label: 'Policies', noun: ['policy', 'policies'], query, columns: POLICY_COLUMNS, rowKey: policyKey } as const;
  return (
    <Page
      title="Policies"
      description="Which namespaces each policy governs, and whether every cluster enforces it."
      className="fso-policies fso-policies-list"
    >
      <SearchableTable
        toolbar={{ search: 'Search policies', filters: usePolicyFilters() }}
        table={{ ...table, sort: search.sort ?? 'name' }}
        values={search}
        none={
          <Empty title="No policies yet">
            A SovereignPolicy under <code>policies/</code> in the Git repository appears here within seconds of its commit; one that is
            applied to a cluster with <code>kubectl</code> appears once the agent reports it.
          </Empty>
        }
        noMatch="No policy matches"
      />
    </Page>
  );
};
