import type { PolicyView } from '@fso/shared/api';
import { useMemo } from 'react';
import { Empty } from '../../components/empty-states.tsx';
import { SearchToolbar } from '../../components/search-toolbar.tsx';
import { VirtualTable } from '../../components/virtual-table.tsx';
import { type Filter, optionsOf } from '../../lib/filters.ts';
import { count, formatNumber } from '../../lib/format.ts';
import { CLUSTER_COLUMNS } from './cluster-columns.tsx';
import { filterRows, sortRows, toClusterRows } from './cluster-rows.ts';
import { PHASE_FILTER } from './policy-filters.ts';
import { usePolicySearch } from './use-policy-search.ts';

/** What needs a look comes first. */
const DEFAULT_SORT = 'phase';

const FILTERS: readonly Filter[] = [
  PHASE_FILTER,
  {
    name: 'locks',
    label: 'Locks',
    options: optionsOf({
      enforced: 'all enforced now',
      other: 'not known to be enforced',
      Degraded: 'one degraded',
      Pending: 'one pending',
      Unavailable: 'one unavailable',
    }),
  },
  {
    name: 'known',
    label: 'Known',
    options: optionsOf({ now: 'as of now', last: 'last known, not connected', never: 'nothing reported yet' }),
  },
];

export const ClustersTab = ({ policy: { clusters } }: { readonly policy: PolicyView }) => {
  const { search, change } = usePolicySearch();
  const { q, phase, locks, known, sort = DEFAULT_SORT } = search;
  const rows = useMemo(() => toClusterRows(clusters), [clusters]);
  const shown = useMemo(() => sortRows(filterRows(rows, { q, phase, locks, known }), sort), [rows, q, phase, locks, known, sort]);
  const clear = (): void => change({ q: undefined, phase: undefined, locks: undefined, known: undefined });
  if (rows.length === 0) return <Empty title="No cluster is meant to have this policy">Its placement selects none.</Empty>;
  return (
    <div className="fso-policies-clusters">
      <SearchToolbar search="Search clusters" filters={FILTERS} values={search} onChange={change} />
      <div className="fso-table-note" role="status">
        {shown.length === rows.length ? '' : `${formatNumber(shown.length)} of `}
        {count(rows.length, 'cluster')}
      </div>
      {shown.length === 0 ? (
        <Empty title="No cluster matches" onClear={clear} />
      ) : (
        <VirtualTable
          label="Clusters of the policy"
          rows={shown}
          columns={CLUSTER_COLUMNS}
          rowKey={({ cluster }) => cluster}
          sort={sort}
          onSort={(key) => change({ sort: key })}
        />
      )}
    </div>
  );
};
