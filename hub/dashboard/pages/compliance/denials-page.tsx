import type { DenialGroup, DenialGrouping, DenialView } from '@fso/shared/api';
import { useInfiniteQuery } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { type ConnectionOfCluster, useConnections } from '../../api/connections.ts';
import { denialGroupsQuery, denialKey, denialsQuery } from '../../api/queries.ts';
import { Empty } from '../../components/empty-states.tsx';
import { PolicyLink } from '../../components/links.tsx';
import { ClusterName } from '../../components/stale-state.tsx';
import { type Column, SearchableTable } from '../../components/tables/data-table.tsx';
import { RelativeTime } from '../../components/text.tsx';
import { CLUSTER_FILTER, type Filter, NAMESPACE_FILTER, ownSort, suggestionsOf } from '../../lib/filters.ts';
import { formatNumber } from '../../lib/format.ts';
import { rowsOf } from '../../lib/paged-list.ts';
import { OwnersFrame } from './compliance-frame.tsx';
import { OwnerGroups } from './owner-groups.tsx';

const route = getRouteApi('/shell/compliance/denials');

const filtersFor = (rows: readonly DenialView[]): readonly Filter[] => {
  const among = (field: 'cluster' | 'namespace' | 'kind'): readonly string[] => suggestionsOf(rows.map((row) => row[field]));
  return [
    { name: 'policy', label: 'Policy', suggestions: suggestionsOf(rows.flatMap(({ policies }) => policies)) },
    { ...CLUSTER_FILTER, suggestions: among('cluster') },
    { ...NAMESPACE_FILTER, suggestions: among('namespace') },
    { name: 'kind', label: 'Kind', suggestions: among('kind') },
    // Set by links from the groups of owners.
    { name: 'name', label: 'Owner', isLinked: true },
  ];
};

const Policies = ({ policies }: Pick<DenialView, 'policies'>) =>
  policies.map((policy, index) => (
    <span key={policy}>
      {index > 0 && ', '}
      <PolicyLink policy={policy} />
    </span>
  ));

const columnsOf = (connectionOf: ConnectionOfCluster): readonly Column<DenialView>[] => [
  { title: 'Owner', sort: 'name', width: 20, cell: ({ kind, namespace, name }) => `${kind} ${namespace}/${name}` },
  {
    title: 'Refused per hour',
    sort: 'count',
    width: 15,
    cell: ({ count, since }) => (
      <div>
        {count === undefined ? 'unknown' : formatNumber(count)}
        <div className="fso-muted">
          since <RelativeTime time={since} />
        </div>
      </div>
    ),
  },
  { title: 'Cluster', sort: 'cluster', width: 10, cell: ({ cluster }) => <ClusterName cluster={cluster} connectionOf={connectionOf} /> },
  { title: 'Policy', width: 10, cell: ({ policies }) => <Policies policies={policies} /> },
  { title: 'Failing term', width: 20, cell: ({ reason }) => reason },
  { title: 'Line that mends it', width: 25, cell: ({ fix }) => <code>{fix}</code> },
];

/** Owners whose pods were refused, as far as agents name them. */
const DenialsList = () => {
  const { by: _by, ...search } = route.useSearch();
  const query = useInfiniteQuery(denialsQuery(search));
  const connectionOf = useConnections();
  const { sort, ...filters } = search;
  return (
    <SearchableTable
      toolbar={{ search: 'Search owners', filters: filtersFor(rowsOf(query.data)) }}
      table={{
        label: 'Denied owners',
        noun: ['listed owner', 'listed owners'],
        query,
        columns: columnsOf(connectionOf),
        rowKey: denialKey,
        sort: sort ?? 'cluster',
      }}
      values={filters}
      none={<Empty title="No known denials">Agents know of no owner whose pods were refused within the hour.</Empty>}
      noMatch="No listed owner matches"
    >
      <p className="fso-note fso-muted">
        Agents list 40 owners of a cluster, of each namespace in turn the one with the most refusals; the groups by cluster count all.
      </p>
    </SearchableTable>
  );
};

const TITLES: Readonly<Record<DenialGrouping, string>> = {
  policy: 'Policy',
  team: 'Team',
  cluster: 'Cluster',
  namespace: 'Namespace',
  owner: 'Owner',
  reason: 'Failing term',
};

const numberOf = (value: number | null): string => (value === null ? 'unknown' : formatNumber(value));

const groupColumnsOf = (by: DenialGrouping): readonly Column<DenialGroup>[] => [
  ...(by === 'cluster'
    ? [
        { title: 'Refused pods per hour', sort: 'count', cell: ({ total }: DenialGroup) => numberOf(total) },
        { title: 'Of known owners', cell: ({ count }: DenialGroup) => numberOf(count) },
        { title: 'Without an owner', cell: ({ unnamed }: DenialGroup) => numberOf(unnamed) },
      ]
    : [{ title: 'Refused pods per hour', sort: 'count', cell: ({ count }: DenialGroup) => numberOf(count) }]),
  { title: 'Owners', sort: 'owners', cell: ({ owners }) => formatNumber(owners) },
  ...(by === 'policy' || by === 'team' || by === 'reason'
    ? [{ title: 'Clusters', cell: ({ clusters }: DenialGroup) => formatNumber(clusters) }]
    : []),
];

/** Denials by group. */
const DenialGroups = ({ by }: { readonly by: DenialGrouping }) => {
  const { q, sort } = route.useSearch();
  const groupSort = ownSort(sort, ['count', 'owners', 'key'], '-count');
  const query = useInfiniteQuery(denialGroupsQuery({ by, q, sort: groupSort }));
  return (
    <OwnerGroups
      found="Denials"
      list="/compliance/denials"
      by={by}
      title={TITLES[by]}
      query={query}
      columns={groupColumnsOf(by)}
      q={q}
      sort={groupSort}
      none="No known denials"
    />
  );
};

/** Owners whose pods were refused. */
export const DenialsPage = () => {
  const { by } = route.useSearch();
  return (
    <OwnersFrame
      what="denials"
      description="Owners whose pods lock 1 refused within the last hour, with the line that mends each."
      about="API servers count what they refuse. Events name the owners, and are lossy: what they do not name, as bare pods, is without an owner."
      unknown="do not read all that API servers count: the condition DenialsKnown"
      titles={TITLES}
      by={by}
    >
      {by === undefined ? <DenialsList /> : <DenialGroups key={by} by={by} />}
    </OwnersFrame>
  );
};
