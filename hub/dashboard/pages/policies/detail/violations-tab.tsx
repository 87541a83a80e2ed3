import { type PolicyView, policyKey, type ViolationView } from '@fso/shared/api';
import { count } from '@fso/shared/text';
import { Content } from '@patternfly/react-core';
import { keepPreviousData, useInfiniteQuery } from '@tanstack/react-query';
import { type ConnectionOfCluster, useConnections } from '../../../api/connections.ts';
import { findingKey, violationsQuery } from '../../../api/queries.ts';
import { Empty } from '../../../components/empty-states.tsx';
import { RegionName } from '../../../components/region-name.tsx';
import { ClusterName } from '../../../components/stale-state.tsx';
import { type Column, SearchableTable } from '../../../components/tables/data-table.tsx';
import { LongText, RelativeTime } from '../../../components/text.tsx';
import { ownSort } from '../../../lib/filters.ts';
import { formatNumber } from '../../../lib/format.ts';
import { usePolicySearch } from '../use-policy-search.ts';

const SORTS = ['cluster', 'namespace', 'name', 'region', 'since'];

const none = <span className="fso-muted">none</span>;

const columnsOf = (connectionOf: ConnectionOfCluster): readonly Column<ViolationView>[] => [
  {
    title: 'Workload',
    sort: 'name',
    width: 20,
    cell: ({ kind, name }) => (
      <>
        <span className="fso-muted">{kind}</span> {name}
      </>
    ),
  },
  { title: 'Namespace', sort: 'namespace', cell: ({ namespace }) => <code>{namespace}</code> },
  {
    title: 'Cluster',
    sort: 'cluster',
    cell: ({ cluster }) => <ClusterName cluster={cluster} connectionOf={connectionOf} />,
  },
  {
    title: 'Region',
    sort: 'region',
    cell: ({ cluster, region }) => (region === undefined ? none : <RegionName region={region} cluster={cluster} />),
  },
  { title: 'Node', cell: ({ node }) => node ?? none },
  { title: 'Reason', width: 25, cell: ({ reason }) => <LongText text={reason} /> },
  { title: 'Since', sort: 'since', cell: ({ since }) => <RelativeTime time={since} /> },
];

const NoneOf = ({ policy: { clusters } }: { readonly policy: PolicyView }) => {
  const silent = clusters.filter(({ fresh, report }) => !fresh || report === null).length;
  return silent === 0 ? (
    <Empty title="No violations">No agent reports a violation of this policy.</Empty>
  ) : (
    <Empty title="No known violations">
      {count(silent, 'cluster is', 'clusters are')} not connected or {silent === 1 ? 'has' : 'have'} not reported on this policy yet.
    </Empty>
  );
};

export const ViolationsTab = ({ policy }: { readonly policy: PolicyView }) => {
  const { search } = usePolicySearch();
  const sort = ownSort(search.sort, SORTS, 'cluster');
  const columns = columnsOf(useConnections());
  const query = useInfiniteQuery({
    ...violationsQuery({ policy: policyKey(policy), q: search.q, sort }),
    placeholderData: keepPreviousData,
  });
  return (
    <>
      <Content component="p" className="fso-muted">
        {formatNumber(policy.violations)} {policy.violations === 1 ? 'pod runs' : 'pods run'} outside the allowed regions, or may be
        scheduled there. Each agent lists the first 20 of its cluster, and the page of violations asks it for those of one policy. A cluster
        that is not connected keeps its last reported list.
      </Content>
      <SearchableTable
        toolbar={{ search: 'Search workloads' }}
        table={{
          label: 'Violations of the policy',
          noun: ['listed violation', 'listed violations'],
          query,
          columns,
          rowKey: findingKey,
          sort,
        }}
        values={search}
        none={<NoneOf policy={policy} />}
        noMatch="No violation matches"
      />
    </>
  );
};
