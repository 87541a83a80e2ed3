import '../policies.css';
import { type PolicySummary, policyKey } from '@fso/shared/api';
import { Label } from '@patternfly/react-core';
import ConnectedIcon from '@patternfly/react-icons/dist/esm/icons/connected-icon';
import DisconnectedIcon from '@patternfly/react-icons/dist/esm/icons/disconnected-icon';
import ExclamationCircleIcon from '@patternfly/react-icons/dist/esm/icons/exclamation-circle-icon';
import { keepPreviousData, useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { policiesQuery, regionsQuery } from '../../../api/queries.ts';
import { Empty } from '../../../components/empty-states.tsx';
import { Page } from '../../../components/page-header.tsx';
import { ACTION_OPTIONS, ActionLabel, PhaseLabel } from '../../../components/state-label.tsx';
import { type Column, SearchableTable } from '../../../components/tables/data-table.tsx';
import { RelativeTime } from '../../../components/text.tsx';
import { CLUSTER_FILTER, type Filter, NAMESPACE_FILTER, optionsOf, REGION_FILTER } from '../../../lib/filters.ts';
import { formatNumber } from '../../../lib/format.ts';
import { sameCounts } from '../lock-counts.ts';
import { AllowedRegions, Expires, LockCount, PHASE_FILTER } from '../policy-values.tsx';

const Name = (policy: PolicySummary) => (
  <>
    <Link to="/policies/$" params={{ _splat: policyKey(policy) }} className="fso-policy-name">
      {policyKey(policy)}
    </Link>
    {policy.managedBy === 'local' ? (
      <>
        {' '}
        <Label isCompact variant="outline">
          Local
        </Label>
      </>
    ) : null}
  </>
);

const Connected = ({ clusters: { connected, total } }: PolicySummary) => {
  const Icon = connected === total ? ConnectedIcon : DisconnectedIcon;
  return (
    <div className="fso-lock-count">
      <Icon className={connected === total ? 'fso-success' : 'fso-warning'} />
      <span>
        {connected}/{total} connected
      </span>
    </div>
  );
};

/** Counts of the locks. Lock 1 has two gates, which usually are in the same state. */
const Clusters = (policy: PolicySummary) => {
  const {
    locks,
    clusters: { total },
  } = policy;
  if (total === 0) return <span className="fso-muted">none: placement and scopes select no cluster</span>;
  return (
    <>
      <Connected {...policy} />
      <LockCount lock="Lock 1" counts={locks.admission} total={total} />
      {sameCounts(locks.admission, locks.binding) ? null : <LockCount lock="Bind gate" counts={locks.binding} total={total} />}
      <LockCount lock="Lock 2" counts={locks.gatekeeper} total={total} />
    </>
  );
};

const State = ({ phase, enforcementAction }: PolicySummary) => (
  <div className="fso-policies-stack">
    <PhaseLabel phase={phase} />
    <ActionLabel action={enforcementAction} />
  </div>
);

const Violations = ({ violations, ...policy }: PolicySummary) =>
  violations === 0 ? (
    <span className="fso-muted">0</span>
  ) : (
    <Link
      to="/policies/$"
      params={{ _splat: policyKey(policy) }}
      search={{ tab: 'violations' }}
      aria-label={`${formatNumber(violations)} violations of ${policyKey(policy)}`}
    >
      <ExclamationCircleIcon className="fso-danger" /> {formatNumber(violations)}
    </Link>
  );

/** Columns of the table. Their widths are in policies.css. */
const POLICY_COLUMNS: readonly Column<PolicySummary>[] = [
  { title: 'Policy', sort: 'name', cell: Name },
  { title: 'Governs', sort: 'target', cell: ({ targetNamespace }) => <code>{targetNamespace}</code> },
  {
    title: 'Allowed regions',
    cell: ({ allowedRegions, effectiveRegions }) => <AllowedRegions allowed={allowedRegions} effective={effectiveRegions} />,
  },
  { title: 'Phase, action', sort: 'phase', cell: State },
  { title: 'Clusters and locks, as last reported', cell: Clusters },
  { title: 'Violations', sort: 'violations', cell: Violations },
  { title: 'Expires', sort: 'expiry', cell: ({ expiryDate }) => <Expires date={expiryDate} /> },
  { title: 'Updated', sort: 'updated', cell: ({ lastUpdated }) => <RelativeTime time={lastUpdated} /> },
];

/** Filters of the list of policies, with the regions and clusters of the fleet as options. */
const usePolicyFilters = (): readonly Filter[] => {
  const { data } = useQuery(regionsQuery);
  const regions = data?.items.map(({ region }) => region) ?? [];
  const clusters = new Set(data?.items.flatMap((region) => region.clusters));
  return [
    PHASE_FILTER,
    { name: 'action', label: 'Action', options: ACTION_OPTIONS },
    { name: 'violating', label: 'Violations', options: optionsOf({ true: 'some', false: 'none' }) },
    { name: 'expiring', label: 'Expiring', options: optionsOf({ true: 'within 14 days', false: 'later or never' }) },
    { name: 'managedBy', label: 'Managed by', options: optionsOf({ hub: 'hub (Git)', local: 'cluster (local)' }) },
    { ...CLUSTER_FILTER, suggestions: [...clusters].sort((a, b) => a.localeCompare(b, 'en')) },
    NAMESPACE_FILTER,
    { ...REGION_FILTER, suggestions: regions },
  ];
};

const route = getRouteApi('/shell/policies/');

export const PoliciesPage = () => {
  const search = route.useSearch();
  const query = useInfiniteQuery({ ...policiesQuery(search), placeholderData: keepPreviousData });
  const table = { label: 'Policies', noun: ['policy', 'policies'], query, columns: POLICY_COLUMNS, rowKey: policyKey } as const;
  return (
    <Page
      title="Policies"
      description="Which namespaces each policy governs, and whether every cluster enforces it."
      className="fso-policies fso-policies-list"
    >
      <SearchableTable
        toolbar={{ search: 'Search policies', filters: usePolicyFilters() }}
        table={{ ...table, sort: search.sort ?? 'name' }}
        values={search}
        none={
          <Empty title="No policies yet">
            A SovereignPolicy under <code>policies/</code> in the Git repository appears here within seconds of its commit; one that is
            applied to a cluster with <code>kubectl</code> appears once the agent reports it.
          </Empty>
        }
        noMatch="No policy matches"
      />
    </Page>
  );
};
