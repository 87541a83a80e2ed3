import type { ViolationGrouping, ViolationView } from '@fso/shared/api';
import { Button } from '@patternfly/react-core';
import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { type ConnectionOfCluster, useConnections } from '../../api/connections.ts';
import { findingKey, parseFindingKey, statusQuery, violationsQuery } from '../../api/queries.ts';
import { PolicyLink } from '../../components/links.tsx';
import { RegionName } from '../../components/region-name.tsx';
import { ClusterName } from '../../components/stale-state.tsx';
import { ACTION_OPTIONS, ActionLabel } from '../../components/state-label.tsx';
import { type Column, SearchableTable } from '../../components/tables/data-table.tsx';
import { RelativeTime } from '../../components/text.tsx';
import {
  CLUSTER_FILTER,
  type Filter,
  isAnySet,
  NAMESPACE_FILTER,
  namesOf,
  REGION_FILTER,
  suggestionsOf,
  useSearchChange,
} from '../../lib/filters.ts';
import { formatNumber } from '../../lib/format.ts';
import { rowsOf } from '../../lib/paged-list.ts';
import { ComplianceFrame, Groupings, NoViolations } from './compliance-frame.tsx';
import { NO_REGION } from './group-target.ts';
import { GroupsTable } from './groups-table.tsx';
import { ViolationDetail } from './violation-detail.tsx';

const route = getRouteApi('/shell/compliance');

type TextField = 'policy' | 'cluster' | 'namespace' | 'region';

/** Creates the filters, with suggestions from the rows that were read. */
const filtersFor = (rows: readonly ViolationView[]): readonly Filter[] => {
  const among = (field: TextField): readonly string[] => suggestionsOf(rows.flatMap((row) => row[field] ?? []));
  return [
    { name: 'policy', label: 'Policy', suggestions: among('policy') },
    { ...CLUSTER_FILTER, suggestions: among('cluster') },
    { ...NAMESPACE_FILTER, suggestions: among('namespace') },
    { ...REGION_FILTER, suggestions: [NO_REGION, ...among('region')] },
    { name: 'action', label: 'Action', options: ACTION_OPTIONS },
    // Set by links from the groups of workloads.
    { name: 'kind', label: 'Kind', isLinked: true },
    { name: 'name', label: 'Workload', isLinked: true },
  ];
};

const FILTER_NAMES = namesOf(filtersFor([]));

interface ColumnContext {
  readonly connectionOf: ConnectionOfCluster;
  readonly onOpen: (violation: ViolationView) => void;
}

const columnsOf = ({ connectionOf, onOpen }: ColumnContext): readonly Column<ViolationView>[] => [
  {
    title: 'Workload',
    sort: 'name',
    width: 20,
    cell: (violation) => (
      <Button variant="link" isInline className="fso-cell-button" onClick={() => onOpen(violation)}>
        {violation.kind} {violation.namespace}/{violation.name}
      </Button>
    ),
  },
  { title: 'Cluster', sort: 'cluster', width: 15, cell: ({ cluster }) => <ClusterName cluster={cluster} connectionOf={connectionOf} /> },
  {
    title: 'Policy',
    sort: 'policy',
    width: 15,
    cell: ({ policy, enforcementAction }) => (
      <div>
        <PolicyLink policy={policy} /> <ActionLabel action={enforcementAction} />
      </div>
    ),
  },
  {
    title: 'Runs in',
    sort: 'region',
    width: 15,
    cell: ({ cluster, node, region }) =>
      node === undefined ? (
        <span className="fso-muted">no node yet</span>
      ) : (
        <div>
          {region === undefined ? 'no region' : <RegionName region={region} cluster={cluster} />}
          <div className="fso-muted">{node}</div>
        </div>
      ),
  },
  { title: 'Reason', width: 20, cell: ({ reason }) => reason },
  { title: 'Since', sort: 'since', width: 15, cell: ({ since }) => <RelativeTime time={since} /> },
];

/**
 * Note that the list has only the violations that agents name, while the counts of a policy or
 * cluster include all.
 */
const SamplesNote = ({ listed, isFiltered }: { readonly listed: number; readonly isFiltered: boolean }) => {
  const { data: counted } = useQuery({ ...statusQuery, select: ({ violations }) => violations });
  if (!isFiltered && (counted === undefined || counted <= listed)) return null;
  return (
    <p className="fso-note fso-muted">
      Agents list the first 20 violations of a cluster, and are asked for those of one policy in one cluster
      {isFiltered || counted === undefined ? '; more may match.' : `; they count ${formatNumber(counted)}.`}
    </p>
  );
};

const ViolationsList = () => {
  const { open, by: _by, groupSort: _groupSort, ...search } = route.useSearch();
  const query = useInfiniteQuery(violationsQuery({ ...search, region: search.region === NO_REGION ? '' : search.region }));
  const connectionOf = useConnections();
  const change = useSearchChange();
  const { sort, ...filters } = search;
  const opened = open === undefined ? undefined : parseFindingKey(open);
  return (
    <SearchableTable
      toolbar={{ search: 'Search violations', filters: filtersFor(rowsOf(query.data)) }}
      table={{
        label: 'Violations',
        noun: ['listed violation', 'listed violations'],
        query,
        columns: columnsOf({ connectionOf, onOpen: (violation) => change({ open: findingKey(violation) }) }),
        rowKey: findingKey,
        sort: sort ?? 'cluster',
      }}
      values={filters}
      none={<NoViolations />}
      noMatch="No listed violation matches"
      detail={
        open === undefined || opened === undefined
          ? null
          : { key: open, title: `${opened.kind} ${opened.namespace}/${opened.name}`, content: <ViolationDetail of={opened} /> }
      }
    >
      {query.isSuccess ? <SamplesNote listed={query.data.pages[0]?.total ?? 0} isFiltered={isAnySet(FILTER_NAMES, filters)} /> : null}
    </SearchableTable>
  );
};

const TITLES: Readonly<Record<ViolationGrouping, string>> = {
  policy: 'Policy',
  cluster: 'Cluster',
  namespace: 'Namespace',
  workload: 'Workload',
  region: 'Region',
};

export const ViolationsPage = () => {
  const { by } = route.useSearch();
  return (
    <ComplianceFrame description="Workloads outside their allowed regions, with reason and fix.">
      <Groupings label="How violations are shown" all="All violations" titles={TITLES} by={by} clears="open" />
      {by === undefined ? <ViolationsList /> : <GroupsTable key={by} by={by} />}
    </ComplianceFrame>
  );
};
