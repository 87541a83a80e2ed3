import { type PolicySummary, policyKey } from '@fso/shared/api';
import { Label } from '@patternfly/react-core';
import ConnectedIcon from '@patternfly/react-icons/dist/esm/icons/connected-icon';
import DisconnectedIcon from '@patternfly/react-icons/dist/esm/icons/disconnected-icon';
import ExclamationCircleIcon from '@patternfly/react-icons/dist/esm/icons/exclamation-circle-icon';
import { Link } from '@tanstack/react-router';
import { ActionLabel, PhaseLabel } from '../../../components/state-label.tsx';
import type { Column } from '../../../components/tables/data-table.tsx';
import { RelativeTime } from '../../../components/text.tsx';
import { formatNumber } from '../../../lib/format.ts';
import { sameCounts } from '../lock-counts.ts';
import { AllowedRegions, Expires, LockCount } from '../policy-values.tsx';

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

/** Lock 1 is two gates, which mostly are in the same state. */
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

/** Their widths are in policies.css. */
export const POLICY_COLUMNS: readonly Column<PolicySummary>[] = [
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
