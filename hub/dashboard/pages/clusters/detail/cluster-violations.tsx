import type { ClusterView, Page, ViolationView } from '@fso/shared/api';
import { type InfiniteData, useInfiniteQuery } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { findingKey, violationsQuery } from '../../../api/queries.ts';
import { Empty } from '../../../components/empty-states.tsx';
import { PolicyLink } from '../../../components/links.tsx';
import { RegionName } from '../../../components/region-name.tsx';
import { ActionLabel } from '../../../components/state-label.tsx';
import { type Column, SearchableTable } from '../../../components/tables/data-table.tsx';
import { RelativeTime } from '../../../components/text.tsx';
import { ownSort } from '../../../lib/filters.ts';
import { formatNumber } from '../../../lib/format.ts';

const route = getRouteApi('/shell/clusters/$name');
const SORTS = ['policy', 'namespace', 'name', 'region', 'since'];

const Where = ({ violation: { cluster, region, node } }: { readonly violation: ViolationView }) => {
  if (node === undefined) return <span className="fso-muted">not on a node</span>;
  return (
    <>
      {region === undefined ? 'no region' : <RegionName region={region} cluster={cluster} />}
      <div className="fso-muted">{node}</div>
    </>
  );
};

const COLUMNS: readonly Column<ViolationView>[] = [
  {
    title: 'Workload',
    sort: 'name',
    width: 20,
    cell: ({ kind, name }) => (
      <>
        {name}
        <div className="fso-muted">{kind}</div>
      </>
    ),
  },
  { title: 'Namespace', sort: 'namespace', width: 15, cell: ({ namespace }) => namespace },
  { title: 'Runs in', sort: 'region', width: 15, cell: (violation) => <Where violation={violation} /> },
  {
    title: 'Policy and action',
    sort: 'policy',
    width: 15,
    cell: ({ policy, enforcementAction }) => (
      <>
        <PolicyLink policy={policy} />
        <div>
          <ActionLabel action={enforcementAction} />
        </div>
      </>
    ),
  },
  { title: 'Reason', width: 20, cell: ({ reason }) => reason },
  { title: 'Since', sort: 'since', width: 15, cell: ({ since }) => <RelativeTime time={since} /> },
];

interface UnnamedNoteProps {
  readonly counted: number;
  readonly list: InfiniteData<Page<ViolationView>> | undefined;
}

const UnnamedNote = ({ counted, list }: UnnamedNoteProps) => {
  const [first] = list === undefined ? [] : list.pages;
  return first === undefined || first.total >= counted ? null : (
    <p className="fso-muted">
      The agent counts {formatNumber(counted)} violations and reports details of the first 20; {formatNumber(first.total)} are listed.
    </p>
  );
};

const None = ({ cluster: { connection, report } }: { readonly cluster: ClusterView }) => {
  if (report === null) return <Empty title="Violations are unknown">The agent has not reported yet.</Empty>;
  return connection === 'Connected' ? (
    <Empty title="No violations">Every governed workload runs in an allowed region.</Empty>
  ) : (
    <Empty title="No violations in the last report">The cluster is not connected, so its current state is unknown.</Empty>
  );
};

/** Violations of a cluster. Agents name the first 20, but count all. */
export const ClusterViolations = ({ cluster }: { readonly cluster: ClusterView }) => {
  const search = route.useSearch();
  const { q } = search;
  const sort = ownSort(search.sort, SORTS, '-since');
  const query = useInfiniteQuery(violationsQuery({ cluster: cluster.name, q, sort }));
  return (
    <SearchableTable
      toolbar={{ search: 'Search violations' }}
      table={{ label: 'Violations', noun: ['listed violation', 'listed violations'], query, columns: COLUMNS, rowKey: findingKey, sort }}
      values={search}
      none={<None cluster={cluster} />}
      noMatch="No violations match"
    >
      {q === undefined ? <UnnamedNote counted={cluster.violations} list={query.data} /> : null}
    </SearchableTable>
  );
};
