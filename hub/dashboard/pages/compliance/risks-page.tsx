import type { RiskGroup, RiskGrouping, RiskView } from '@fso/shared/api';
import { Label } from '@patternfly/react-core';
import { useInfiniteQuery } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { type ConnectionOfCluster, useConnections } from '../../api/connections.ts';
import { findingKey, riskGroupsQuery, risksQuery } from '../../api/queries.ts';
import { Empty } from '../../components/empty-states.tsx';
import { PolicyLink } from '../../components/links.tsx';
import { ClusterName } from '../../components/stale-state.tsx';
import { type Column, SearchableTable } from '../../components/tables/data-table.tsx';
import { RelativeTime } from '../../components/text.tsx';
import { CLUSTER_FILTER, type Filter, NAMESPACE_FILTER, optionsOf, ownSort, suggestionsOf } from '../../lib/filters.ts';
import { formatNumber } from '../../lib/format.ts';
import { rowsOf } from '../../lib/paged-list.ts';
import { OwnersFrame } from './compliance-frame.tsx';
import { OwnerGroups } from './owner-groups.tsx';

const route = getRouteApi('/shell/compliance/risks');

const RISK_TEXTS = { Refused: 'Would be refused', Pending: 'Would stay pending' } as const;

const filtersFor = (rows: readonly RiskView[]): readonly Filter[] => {
  const among = (field: 'policy' | 'cluster' | 'namespace' | 'kind'): readonly string[] => suggestionsOf(rows.map((row) => row[field]));
  return [
    { name: 'risk', label: 'Risk', options: optionsOf(RISK_TEXTS) },
    { name: 'policy', label: 'Policy', suggestions: among('policy') },
    { ...CLUSTER_FILTER, suggestions: among('cluster') },
    { ...NAMESPACE_FILTER, suggestions: among('namespace') },
    { name: 'kind', label: 'Kind', suggestions: among('kind') },
    // Set by links from the groups of owners.
    { name: 'name', label: 'Owner', isLinked: true },
  ];
};

const RiskLabel = ({ risk, nodes }: Pick<RiskView, 'risk' | 'nodes'>) => (
  <Label isCompact status={risk === 'Refused' ? 'danger' : 'warning'}>
    {nodes === undefined ? RISK_TEXTS[risk] : `${RISK_TEXTS[risk]} on ${nodes} ${nodes === 1 ? 'node' : 'nodes'}`}
  </Label>
);

const columnsOf = (connectionOf: ConnectionOfCluster): readonly Column<RiskView>[] => [
  {
    title: 'Owner',
    sort: 'name',
    width: 20,
    cell: ({ kind, namespace, name, lastSeen }) => (
      <div>
        {`${kind} ${namespace}/${name}`}
        {lastSeen !== undefined && (
          <div className="fso-muted">
            no pod now, last seen <RelativeTime time={lastSeen} />
          </div>
        )}
      </div>
    ),
  },
  {
    title: 'Risk',
    sort: 'risk',
    width: 15,
    cell: ({ risk, nodes, confirmation }) => (
      <div>
        <RiskLabel risk={risk} nodes={nodes} />
        <div className="fso-muted">{confirmation === 'Confirmed' ? 'confirmed by a dry run' : 'judged by its template'}</div>
      </div>
    ),
  },
  { title: 'Cluster', sort: 'cluster', width: 10, cell: ({ cluster }) => <ClusterName cluster={cluster} connectionOf={connectionOf} /> },
  { title: 'Policy', sort: 'policy', width: 10, cell: ({ policy }) => <PolicyLink policy={policy} /> },
  { title: 'Failing term', width: 20, cell: ({ reason }) => reason },
  { title: 'Line that mends it', width: 25, cell: ({ fix }) => <code>{fix}</code> },
];

/** Owners at risk, as far as agents name them. */
const RisksList = () => {
  const { by: _by, ...search } = route.useSearch();
  const query = useInfiniteQuery(risksQuery(search));
  const connectionOf = useConnections();
  const { sort, ...filters } = search;
  return (
    <SearchableTable
      toolbar={{ search: 'Search owners', filters: filtersFor(rowsOf(query.data)) }}
      table={{
        label: 'Owners at risk',
        noun: ['listed owner', 'listed owners'],
        query,
        columns: columnsOf(connectionOf),
        rowKey: findingKey,
        sort: sort ?? 'cluster',
      }}
      values={filters}
      none={<Empty title="No known risks">Agents know of no owner whose next pods would be refused or stay pending.</Empty>}
      noMatch="No listed owner matches"
    >
      <p className="fso-note fso-muted">
        Agents list the first 20 owners of a cluster, and are asked for those of one policy in one cluster; the groups count all.
      </p>
    </SearchableTable>
  );
};

const TITLES: Readonly<Record<RiskGrouping, string>> = { policy: 'Policy', cluster: 'Cluster', namespace: 'Namespace', owner: 'Owner' };

const groupColumnsOf = (by: RiskGrouping): readonly Column<RiskGroup>[] => [
  { title: 'Would be refused', sort: 'refused', cell: ({ refused }) => formatNumber(refused) },
  { title: 'Would stay pending', sort: 'pending', cell: ({ pending }) => formatNumber(pending) },
  { title: 'Listed', cell: ({ named }) => formatNumber(named) },
  ...(by === 'policy' ? [] : [{ title: 'Policies', cell: ({ policies }: RiskGroup) => formatNumber(policies) }]),
  ...(by === 'policy' ? [{ title: 'Clusters', cell: ({ clusters }: RiskGroup) => formatNumber(clusters) }] : []),
];

/** Owners at risk by group, with the two classes counted apart. */
const RiskGroups = ({ by }: { readonly by: RiskGrouping }) => {
  const { q, sort } = route.useSearch();
  const groupSort = ownSort(sort, ['refused', 'pending', 'key'], '-refused');
  const query = useInfiniteQuery(riskGroupsQuery({ by, q, sort: groupSort }));
  return (
    <OwnerGroups
      found="Owners at risk"
      list="/compliance/risks"
      by={by}
      title={TITLES[by]}
      query={query}
      columns={groupColumnsOf(by)}
      q={q}
      sort={groupSort}
      none="No known risks"
    />
  );
};

/** Owners whose next pods would be refused or stay pending. */
export const RisksPage = () => {
  const { by } = route.useSearch();
  return (
    <OwnersFrame
      what="risks"
      description="Owners whose next pods would be refused by the locks, or would stay pending, with the line that mends each."
      about="Nothing of it has stopped: it is what a restart or a drained node would bring. Pending means that no node inside satisfies node selector, node affinity and tolerations; capacity and volumes are not looked at."
      unknown="do not judge the next pods of all owners: the condition RisksKnown"
      titles={TITLES}
      by={by}
    >
      {by === undefined ? <RisksList /> : <RiskGroups key={by} by={by} />}
    </OwnersFrame>
  );
};
