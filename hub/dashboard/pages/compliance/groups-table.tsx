import type { ViolationGroup, ViolationGrouping } from '@fso/shared/api';
import { useInfiniteQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { type ConnectionOfCluster, useConnections } from '../../api/connections.ts';
import { violationGroupsQuery } from '../../api/queries.ts';
import { Empty } from '../../components/empty-states.tsx';
import { RegionName } from '../../components/region-name.tsx';
import { SearchToolbar } from '../../components/search-toolbar.tsx';
import { ClusterName } from '../../components/stale-state.tsx';
import { ActionLabel } from '../../components/state-label.tsx';
import { type Column, DataTable } from '../../components/tables/data-table.tsx';
import { RelativeTime } from '../../components/text.tsx';
import { useSearchChange } from '../../lib/filters.ts';
import { formatNumber } from '../../lib/format.ts';
import { NoViolations } from './compliance-frame.tsx';
import { targetOfGroup } from './group-target.ts';

const route = getRouteApi('/shell/compliance');

const NOUNS: Readonly<Record<ViolationGrouping, readonly [title: string, one: string, many: string]>> = {
  policy: ['Policy', 'policy with violations', 'policies with violations'],
  cluster: ['Cluster', 'cluster with violations', 'clusters with violations'],
  namespace: ['Namespace', 'namespace with violations', 'namespaces with violations'],
  workload: ['Workload', 'workload that violates', 'workloads that violate'],
  region: ['Region of the node', 'region with violations', 'regions with violations'],
};

/** Formats a key for people. */
const textOf = (by: ViolationGrouping, key: string): string => {
  const { namespace = '', kind = '', name = '' } = targetOfGroup(by, key);
  if (by === 'namespace') return namespace;
  if (by === 'workload') return `${kind} ${namespace}/${name}`;
  return key === '' ? 'No region (no node yet, or a node without one)' : key;
};

const hasCluster = (by: ViolationGrouping): boolean => by === 'namespace' || by === 'workload' || by === 'cluster';
const isCounted = (by: ViolationGrouping): boolean => by === 'policy' || by === 'cluster';

const columnsOf = (by: ViolationGrouping, connectionOf: ConnectionOfCluster): readonly Column<ViolationGroup>[] => [
  {
    title: NOUNS[by][0],
    sort: 'key',
    width: 30,
    cell: ({ key }) => (
      <Link to="/compliance" search={targetOfGroup(by, key)}>
        {by === 'region' && key !== '' ? <RegionName region={key} /> : textOf(by, key)}
      </Link>
    ),
  },
  ...(hasCluster(by)
    ? [
        {
          title: by === 'cluster' ? 'Connection' : 'Cluster',
          width: 20 as const,
          cell: ({ key }: ViolationGroup) => {
            const cluster = targetOfGroup(by, key).cluster ?? '';
            return <ClusterName cluster={cluster} connectionOf={connectionOf} />;
          },
        },
      ]
    : []),
  {
    title: 'Violations',
    sort: 'violations',
    cell: ({ violations, named }) =>
      violations > named ? `${formatNumber(violations)} (${formatNumber(named)} listed)` : formatNumber(violations),
  },
  ...(by === 'policy' ? [] : [{ title: 'Policies', cell: ({ policies }: ViolationGroup) => formatNumber(policies) }]),
  ...(hasCluster(by) ? [] : [{ title: 'Clusters', cell: ({ clusters }: ViolationGroup) => formatNumber(clusters) }]),
  { title: 'Strongest action', cell: ({ worstAction }) => (worstAction === null ? 'not known' : <ActionLabel action={worstAction} />) },
  { title: 'Oldest since', cell: ({ oldest }) => <RelativeTime time={oldest} absent="not known" /> },
];

/** Violations by group. Each group links to the list of its violations. */
export const GroupsTable = ({ by }: { readonly by: ViolationGrouping }) => {
  const { q, groupSort } = route.useSearch();
  const query = useInfiniteQuery(violationGroupsQuery({ by, q, sort: groupSort }));
  const connectionOf = useConnections();
  const change = useSearchChange();
  const [title, one, many] = NOUNS[by];
  return (
    <>
      <SearchToolbar search={`Search by ${title.toLowerCase()}`} values={{ q }} onChange={change} />
      <p className="fso-note fso-muted">
        {isCounted(by)
          ? 'The count has every violation that agents see. The list has the first 20 of each cluster.'
          : 'The count has the violations that agents list: the first 20 of each cluster.'}
      </p>
      <DataTable
        label={`Violations by ${title.toLowerCase()}`}
        noun={[one, many]}
        query={query}
        columns={columnsOf(by, connectionOf)}
        rowKey={({ key }) => key}
        sort={groupSort ?? '-violations'}
        onSort={(sort) => change({ groupSort: sort })}
        empty={q === undefined ? <NoViolations /> : <Empty title="Nothing matches" onClear={() => change({ q: undefined })} />}
      />
    </>
  );
};
