import './clusters.css';
import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { clustersQuery, regionsQuery } from '../../api/queries.ts';
import { Empty } from '../../components/empty-states.tsx';
import { Page } from '../../components/page-header.tsx';
import { CONNECTION_OPTIONS } from '../../components/state-label.tsx';
import { SearchableTable } from '../../components/tables/data-table.tsx';
import { type Filter, optionsOf } from '../../lib/filters.ts';
import { regionFilters } from '../../lib/region-text.ts';
import { CLUSTER_COLUMNS } from './cluster-columns.tsx';

const route = getRouteApi('/shell/clusters');

const FILTERS: readonly Filter[] = [
  { name: 'connection', label: 'Connection', options: CONNECTION_OPTIONS },
  { name: 'inSync', label: 'Commit', options: optionsOf({ true: 'In sync', false: 'Behind or unknown' }) },
  { name: 'violating', label: 'Violations', options: optionsOf({ true: 'Some', false: 'None' }) },
];
const LINKED_FILTERS: readonly Filter[] = [
  { name: 'locksReady', label: 'Locks', options: optionsOf({ true: 'Ready', false: 'Not ready' }), isLinked: true },
  { name: 'observed', label: 'Observed', options: optionsOf({ true: 'Yes', false: 'No' }), isLinked: true },
  { name: 'refusing', label: 'Commit offered', options: optionsOf({ true: 'Refused', false: 'Not refused' }), isLinked: true },
  { name: 'tampered', label: 'Tampered with', options: optionsOf({ true: 'Yes', false: 'No' }), isLinked: true },
];

/**
 * Regions where clusters are, their countries and providers; the region that is filtered by stays,
 * even where no cluster is there any more.
 */
const useRegionFilters = (chosen: string | undefined): readonly Filter[] => {
  const { data } = useQuery(regionsQuery);
  const rows = (data?.items ?? []).filter(({ clusters }) => clusters.length > 0);
  const used = [...new Set(rows.map(({ region }) => region))];
  const regions = chosen === undefined || used.includes(chosen) ? used : [chosen, ...used];
  return [{ name: 'region', label: 'Region', options: regions.map((value) => ({ value, text: value })) }, ...regionFilters(rows)];
};

export const ClustersPage = () => {
  const search = route.useSearch();
  const sort = search.sort ?? 'name';
  const query = useInfiniteQuery(clustersQuery({ ...search, sort }));
  const filters = [...FILTERS, ...useRegionFilters(search.region), ...LINKED_FILTERS];
  return (
    <Page title="Clusters" description="Connection, commit in force and last report of every cluster.">
      <SearchableTable
        toolbar={{ search: 'Search clusters', filters }}
        table={{ label: 'Clusters', noun: ['cluster', 'clusters'], query, columns: CLUSTER_COLUMNS, rowKey: ({ name }) => name, sort }}
        values={search}
        none={
          <Empty title="No clusters yet">
            No cluster is registered. Add one with <code>fso clusters add &lt;name&gt; --region &lt;region&gt;</code>
          </Empty>
        }
        noMatch="No clusters match"
      />
    </Page>
  );
};
