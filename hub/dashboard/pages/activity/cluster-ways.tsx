import type { CommitActivity } from '@fso/shared/api';
import { Title } from '@patternfly/react-core';
import { getRouteApi } from '@tanstack/react-router';
import { useMemo } from 'react';
import { Empty } from '../../components/empty-states.tsx';
import { SearchToolbar } from '../../components/search-toolbar.tsx';
import { VirtualTable } from '../../components/virtual-table.tsx';
import { type Filter, useSearchChange } from '../../lib/filters.ts';
import { count, formatNumber } from '../../lib/format.ts';
import { countPlaces, filterWays, sortWays, type Way, wayOf } from './cluster-way.ts';
import { PLACE_WORDS } from './place-label.tsx';
import { wayColumns } from './way-columns.tsx';

const route = getRouteApi('/shell/activity/$revision');

/** Slowest first: those that are not through before all others. */
const SLOWEST = '-total';

const filterOf = (ways: readonly Way[]): Filter => ({
  name: 'at',
  label: 'Where it is',
  options: countPlaces(ways).map((at) => ({ value: at.place, text: `${PLACE_WORDS[at.place]} (${formatNumber(at.count)})` })),
});

/** How far each cluster is, and what took how long there. */
export const ClusterWays = ({ activity }: { readonly activity: CommitActivity }) => {
  const { q, at, sort = SLOWEST } = route.useSearch();
  const change = useSearchChange();
  const ways = useMemo(() => activity.clusterSteps.map((steps) => wayOf(steps, activity.noticed)), [activity]);
  const rows = useMemo(() => sortWays(filterWays(ways, { q, at }), sort), [ways, q, at, sort]);
  const columns = useMemo(() => wayColumns(ways), [ways]);
  return (
    <>
      <Title headingLevel="h2" size="md">
        In each cluster
      </Title>
      <SearchToolbar search="Search clusters" filters={[filterOf(ways)]} values={{ q, at }} onChange={change} />
      <div className="fso-table-note" role="status">
        {count(rows.length, 'cluster')}
      </div>
      {rows.length === 0 ? (
        <Empty title="No clusters match" onClear={() => change({ q: undefined, at: undefined })} />
      ) : (
        <VirtualTable
          label="Clusters of the commit"
          rows={rows}
          columns={columns}
          rowKey={({ cluster }) => cluster}
          sort={sort}
          onSort={(by) => change({ sort: by })}
        />
      )}
    </>
  );
};
