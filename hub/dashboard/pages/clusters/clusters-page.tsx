import { PageSection } from '@patternfly/react-core';
import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { clustersQuery, regionsQuery } from '../../api/queries.ts';
import { DataTable } from '../../components/data-table.tsx';
import { cleared, type Filter, isAnySet, namesOf, useSearchChange } from '../../components/filters.ts';
import { PageHeader } from '../../components/page-header.tsx';
import { SearchToolbar } from '../../components/search-toolbar.tsx';
import { Empty } from '../../components/states.tsx';
import { CLUSTER_COLUMNS } from './cluster-columns.tsx';
import './clusters.css';

const route = getRouteApi('/shell/clusters');

const FILTERS: readonly Filter[] = [
  {
    name: 'connection',
    label: 'Connection',
    options: [
      { value: 'Connected', text: 'Connected' },
      { value: 'Disconnected', text: 'Stale' },
      { value: 'NeverSeen', text: 'Never seen' },
    ],
  },
  {
    name: 'inSync',
    label: 'Commit',
    options: [
      { value: 'true', text: 'In sync' },
      { value: 'false', text: 'Behind or not known' },
    ],
  },
  {
    name: 'violating',
    label: 'Violations',
    options: [
      { value: 'true', text: 'Some' },
      { value: 'false', text: 'None' },
    ],
  },
];
/** Links lead to lists that are filtered by these; else they would only be in the way. */
const RARE_FILTERS = [
  {
    name: 'locksReady',
    label: 'Locks',
    options: [
      { value: 'true', text: 'Ready' },
      { value: 'false', text: 'Not ready' },
    ],
  },
  {
    name: 'refusing',
    label: 'Commit offered',
    options: [
      { value: 'true', text: 'Refused' },
      { value: 'false', text: 'Not refused' },
    ],
  },
  {
    name: 'tampered',
    label: 'Tampered with',
    options: [
      { value: 'true', text: 'Yes' },
      { value: 'false', text: 'No' },
    ],
  },
] as const;

/** Regions where clusters are; the one that is filtered by stays, even where none is there any more. */
const useRegionFilter = (chosen: string | undefined): Filter => {
  const { data } = useQuery(regionsQuery);
  const used = (data?.items ?? []).filter(({ clusters }) => clusters.length > 0).map(({ region }) => region);
  const regions = chosen === undefined || used.includes(chosen) ? used : [chosen, ...used];
  return { name: 'region', label: 'Region', options: regions.map((value) => ({ value, text: value })) };
};

export const ClustersPage = () => {
  const search = route.useSearch();
  const sort = search.sort ?? 'name';
  const query = useInfiniteQuery(clustersQuery({ ...search, sort }));
  const rare = RARE_FILTERS.filter(({ name }) => search[name] !== undefined);
  const filters = [...FILTERS, useRegionFilter(search.region), ...rare];
  const names = namesOf(filters);
  const change = useSearchChange();
  const isFiltered = isAnySet(names, search);
  const clear = (): void => change(cleared(names));
  return (
    <>
      <PageHeader title="Clusters" description="Which clusters are connected, what is in force in each, and how old is what is known?" />
      <PageSection hasBodyWrapper={false} isFilled>
        <SearchToolbar search="Search clusters" filters={filters} values={search} onChange={change} />
        <DataTable
          label="Clusters"
          noun={['cluster', 'clusters']}
          query={query}
          columns={CLUSTER_COLUMNS}
          rowKey={({ name }) => name}
          sort={sort}
          onSort={(by) => change({ sort: by })}
          empty={
            isFiltered ? (
              <Empty title="No clusters match" onClear={clear} />
            ) : (
              <Empty title="No clusters yet">
                None is registered. To let one in: <code>fso clusters add &lt;name&gt; --region &lt;region&gt;</code>
              </Empty>
            )
          }
        />
      </PageSection>
    </>
  );
};
