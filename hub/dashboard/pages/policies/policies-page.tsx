import './policies.css';
import { policyKey } from '@fso/shared/api';
import { PageSection } from '@patternfly/react-core';
import { keepPreviousData, useInfiniteQuery } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { policiesQuery } from '../../api/queries.ts';
import { DataTable } from '../../components/data-table.tsx';
import { Empty } from '../../components/empty-states.tsx';
import { PageHeader } from '../../components/page-header.tsx';
import { SearchToolbar } from '../../components/search-toolbar.tsx';
import { cleared, isAnySet, namesOf, useSearchChange } from '../../lib/filters.ts';
import { POLICY_COLUMNS } from './policy-columns.tsx';
import { usePolicyFilters } from './policy-filters.ts';

const route = getRouteApi('/shell/policies');

const NoPolicies = ({ isFiltered, onClear }: { readonly isFiltered: boolean; readonly onClear: () => void }) =>
  isFiltered ? (
    <Empty title="No policy matches" onClear={onClear} />
  ) : (
    <Empty title="No policies yet">
      A SovereignPolicy under <code>policies/</code> of the Git repository shows up here within seconds after its commit, one that is
      applied to a cluster with <code>kubectl</code> once its agent reports it.
    </Empty>
  );

export const PoliciesPage = () => {
  const search = route.useSearch();
  const filters = usePolicyFilters();
  const query = useInfiniteQuery({ ...policiesQuery(search), placeholderData: keepPreviousData });
  const names = namesOf(filters);
  const change = useSearchChange();
  const clear = (): void => change(cleared(names));
  return (
    <>
      <PageHeader title="Policies" description="Who is governed by what, and does every cluster enforce it?" />
      <PageSection hasBodyWrapper={false} isFilled className="fso-policies fso-policies-list">
        <SearchToolbar search="Search policies" filters={filters} values={search} onChange={change} />
        <DataTable
          label="Policies"
          noun={['policy', 'policies']}
          query={query}
          columns={POLICY_COLUMNS}
          rowKey={policyKey}
          sort={search.sort ?? 'name'}
          onSort={(key) => change({ sort: key })}
          empty={<NoPolicies isFiltered={isAnySet(names, search)} onClear={clear} />}
        />
      </PageSection>
    </>
  );
};
