import { type ClusterPolicy, type ClusterView, policyKey } from '@fso/shared/api';
import { useInfiniteQuery } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { clusterPoliciesQuery } from '../../../api/queries.ts';
import { Empty } from '../../../components/empty-states.tsx';
import { PolicyLink } from '../../../components/links.tsx';
import { StaleState } from '../../../components/stale-state.tsx';
import { ActionLabel, LockLabel, PHASE_OPTIONS, PhaseLabel } from '../../../components/state-label.tsx';
import { type Column, SearchableTable } from '../../../components/tables/data-table.tsx';
import { RelativeTime } from '../../../components/text.tsx';
import { type Filter, ownSort } from '../../../lib/filters.ts';
import { formatNumber } from '../../../lib/format.ts';

const route = getRouteApi('/shell/clusters/$name');

const FILTERS: readonly Filter[] = [{ name: 'phase', label: 'Phase here', options: PHASE_OPTIONS }];
const SORTS = ['name', 'target', 'phase', 'violations', 'updated'];

const Locks = ({ report, fresh }: Pick<ClusterPolicy, 'report' | 'fresh'>) => {
  const was = fresh || report === null ? '' : ' was';
  const labels = (
    <div className="fso-clusters-labels">
      <LockLabel lock={`Admission${was}`} state={report?.enforcement.admission.state ?? null} />
      <LockLabel lock={`Bind gate${was}`} state={report?.enforcement.binding.state ?? null} />
      <LockLabel lock={`Gatekeeper${was}`} state={report?.enforcement.gatekeeper.state ?? null} />
    </div>
  );
  return was === '' ? labels : <StaleState>{labels}</StaleState>;
};

const COLUMNS: readonly Column<ClusterPolicy>[] = [
  {
    title: 'Policy',
    sort: 'name',
    width: 25,
    cell: (policy) => (
      <>
        <PolicyLink policy={policyKey(policy)} />
        {policy.managedBy === 'local' ? <div className="fso-muted">local</div> : null}
      </>
    ),
  },
  { title: 'Target', sort: 'target', width: 15, cell: ({ targetNamespace }) => targetNamespace },
  {
    title: 'Phase here, action',
    sort: 'phase',
    width: 15,
    cell: ({ phase, enforcementAction }) => (
      <div className="fso-clusters-labels">
        <PhaseLabel phase={phase} />
        <ActionLabel action={enforcementAction} />
      </div>
    ),
  },
  { title: 'Locks, as last reported', width: 20, cell: ({ report, fresh }) => <Locks report={report} fresh={fresh} /> },
  {
    title: 'Violations',
    sort: 'violations',
    cell: ({ violations, report }) => (report === null ? 'not known' : formatNumber(violations)),
  },
  { title: 'Changed', sort: 'updated', cell: ({ changed }) => <RelativeTime time={changed} absent="not reported" /> },
];

/** Policies that the cluster should have or reports, with their state here. */
export const ClusterPolicies = ({ cluster }: { readonly cluster: ClusterView }) => {
  const search = route.useSearch();
  const sort = ownSort(search.sort, SORTS, 'name');
  const query = useInfiniteQuery(clusterPoliciesQuery(cluster.name, { q: search.q, phase: search.phase, sort }));
  return (
    <SearchableTable
      toolbar={{ search: 'Search policies', filters: FILTERS }}
      table={{ label: 'Policies', noun: ['policy', 'policies'], query, columns: COLUMNS, rowKey: policyKey, sort }}
      values={search}
      none={<Empty title="No policies">No policy of the commit in force applies to this cluster, and it reports no local ones.</Empty>}
      noMatch="No policies match"
    />
  );
};
