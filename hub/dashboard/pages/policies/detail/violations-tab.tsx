import { type PolicyView, policyKey, type ViolationView } from '@fso/shared/api';
import { Content } from '@patternfly/react-core';
import { keepPreviousData, useInfiniteQuery } from '@tanstack/react-query';
import { type ConnectionOfCluster, useConnections } from '../../../api/connections.ts';
import { violationKey, violationsQuery } from '../../../api/queries.ts';
import { type Column, DataTable } from '../../../components/data-table.tsx';
import { Empty } from '../../../components/empty-states.tsx';
import { SearchToolbar } from '../../../components/search-toolbar.tsx';
import { ClusterName } from '../../../components/stale-state.tsx';
import { LongText, RelativeTime } from '../../../components/text.tsx';
import { ownSort } from '../../../lib/filters.ts';
import { count, formatNumber } from '../../../lib/format.ts';
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
  { title: 'Region', sort: 'region', cell: ({ region }) => region ?? none },
  { title: 'Node', cell: ({ node }) => node ?? none },
  { title: 'Reason', width: 25, cell: ({ reason }) => <LongText text={reason} /> },
  { title: 'Since', sort: 'since', cell: ({ since }) => <RelativeTime time={since} /> },
];

const NoneOf = ({ policy: { clusters } }: { readonly policy: PolicyView }) => {
  const unheard = clusters.filter(({ fresh, report }) => !fresh || report === null).length;
  return unheard === 0 ? (
    <Empty title="No violations">No agent reports one of this policy.</Empty>
  ) : (
    <Empty title="No violations are known">
      Of {count(unheard, 'cluster')} it is not known: not connected, or nothing reported of this policy yet.
    </Empty>
  );
};

export const ViolationsTab = ({ policy }: { readonly policy: PolicyView }) => {
  const { search, change } = usePolicySearch();
  const sort = ownSort(search.sort, SORTS, 'cluster');
  const columns = columnsOf(useConnections());
  const query = useInfiniteQuery({
    ...violationsQuery({ policy: policyKey(policy), q: search.q, sort }),
    placeholderData: keepPreviousData,
  });
  return (
    <>
      <Content component="p" className="fso-muted">
        {formatNumber(policy.violations)} {policy.violations === 1 ? 'pod stands' : 'pods stand'} outside of the allowed regions, or may be
        scheduled there. Each agent names the first 20 of a policy; those are listed here. A cluster that is not connected keeps those that
        it last reported.
      </Content>
      <SearchToolbar search="Search workloads" values={search} onChange={change} />
      <DataTable
        label="Violations of the policy"
        noun={['violation named', 'violations named']}
        query={query}
        columns={columns}
        rowKey={violationKey}
        sort={sort}
        onSort={(key) => change({ sort: key })}
        empty={
          search.q === undefined ? (
            <NoneOf policy={policy} />
          ) : (
            <Empty title="No violation matches" onClear={() => change({ q: undefined })} />
          )
        }
      />
    </>
  );
};
