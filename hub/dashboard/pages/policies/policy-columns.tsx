import type { PolicySummary } from '@fso/shared/api';
import { Label } from '@patternfly/react-core';
import ExclamationCircleIcon from '@patternfly/react-icons/dist/esm/icons/exclamation-circle-icon';
import { Link } from '@tanstack/react-router';
import type { Column } from '../../components/data-table.tsx';
import { RelativeTime } from '../../components/relative-time.tsx';
import { ActionLabel, PhaseLabel } from '../../components/state-label.tsx';
import { AllowedRegions } from './allowed-regions.tsx';
import { Expires } from './expires.tsx';
import { LockCount } from './lock-count.tsx';
import { sameCounts } from './lock-counts.ts';

const Name = ({ namespace, name, managedBy }: PolicySummary) => (
  <>
    <Link to="/policies/$namespace/$name" params={{ namespace, name }} className="fso-policy-name">
      {name}
    </Link>
    {managedBy === 'local' ? (
      <>
        {' '}
        <Label isCompact variant="outline">
          Local
        </Label>{' '}
        <span className="fso-muted">in {namespace}</span>
      </>
    ) : null}
  </>
);

/** Lock 1 is two gates, which mostly are in the same state. */
const Locks = ({ locks, clusters: { total } }: PolicySummary) => (
  <>
    <LockCount lock="Lock 1" counts={locks.admission} total={total} />
    {sameCounts(locks.admission, locks.binding) ? null : <LockCount lock="Bind gate" counts={locks.binding} total={total} />}
    <LockCount lock="Lock 2" counts={locks.gatekeeper} total={total} />
  </>
);

const Violations = ({ namespace, name, violations }: PolicySummary) =>
  violations === 0 ? (
    <span className="fso-muted">0</span>
  ) : (
    <Link
      to="/policies/$namespace/$name"
      params={{ namespace, name }}
      search={{ tab: 'violations' }}
      aria-label={`${violations.toLocaleString('en')} violations of ${name}`}
    >
      <ExclamationCircleIcon className="fso-danger" /> {violations.toLocaleString('en')}
    </Link>
  );

export const POLICY_COLUMNS: readonly Column<PolicySummary>[] = [
  { title: 'Policy', sort: 'name', width: 15, cell: Name },
  { title: 'Governs', sort: 'target', cell: ({ targetNamespace }) => <code>{targetNamespace}</code> },
  {
    title: 'Allowed regions',
    width: 15,
    cell: ({ allowedRegions, effectiveRegions }) => <AllowedRegions allowed={allowedRegions} effective={effectiveRegions} />,
  },
  { title: 'Action', cell: ({ enforcementAction }) => <ActionLabel action={enforcementAction} /> },
  { title: 'Phase', sort: 'phase', cell: ({ phase }) => <PhaseLabel phase={phase} /> },
  { title: 'Locks, as last reported', width: 20, cell: Locks },
  {
    title: 'Clusters',
    cell: ({ clusters: { connected, total } }) => (
      <>
        {connected}/{total} <span className="fso-muted">connected</span>
      </>
    ),
  },
  { title: 'Violations', sort: 'violations', cell: Violations },
  { title: 'Expires', sort: 'expiry', cell: ({ expiryDate }) => <Expires date={expiryDate} /> },
  { title: 'Updated', sort: 'updated', cell: ({ lastUpdated }) => <RelativeTime time={lastUpdated} /> },
];
