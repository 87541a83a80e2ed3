import type { StatusView } from '@fso/shared/api';
import { Card, CardBody, CardTitle } from '@patternfly/react-core';
import CalendarAltIcon from '@patternfly/react-icons/dist/esm/icons/calendar-alt-icon';
import CheckCircleIcon from '@patternfly/react-icons/dist/esm/icons/check-circle-icon';
import ConnectedIcon from '@patternfly/react-icons/dist/esm/icons/connected-icon';
import DisconnectedIcon from '@patternfly/react-icons/dist/esm/icons/disconnected-icon';
import ExclamationCircleIcon from '@patternfly/react-icons/dist/esm/icons/exclamation-circle-icon';
import HourglassEndIcon from '@patternfly/react-icons/dist/esm/icons/hourglass-end-icon';
import HourglassHalfIcon from '@patternfly/react-icons/dist/esm/icons/hourglass-half-icon';
import QuestionCircleIcon from '@patternfly/react-icons/dist/esm/icons/question-circle-icon';
import SyncAltIcon from '@patternfly/react-icons/dist/esm/icons/sync-alt-icon';
import { Link } from '@tanstack/react-router';
import type { ComponentType, ReactNode } from 'react';
import { RelativeTime } from '../../components/text.tsx';
import { formatNumber } from '../../lib/format.ts';

interface CountRow {
  readonly key: string;
  readonly icon: ComponentType;
  /** `plain` where a number is neither good nor bad, or is zero. */
  readonly tone: 'good' | 'danger' | 'warning' | 'info' | 'plain';
  /** Name of the count; a link to its list. */
  readonly title: ReactNode;
  readonly value: number;
  readonly note?: ReactNode;
}

/** Numbers with what they count. */
const CountList = ({ label, rows }: { readonly label: string; readonly rows: readonly CountRow[] }) => (
  <ul className="fso-counts" aria-label={label}>
    {rows.map(({ key, icon: Icon, tone, title, value, note }) => (
      <li key={key}>
        <span className={`fso-tone-${value === 0 ? 'plain' : tone}`}>
          <Icon />
        </span>
        <span>
          {title}
          {note === undefined ? null : <span className="fso-count-note">{note}</span>}
        </span>
        <span className="fso-count-value">{formatNumber(value)}</span>
      </li>
    ))}
  </ul>
);

type Phase = 'Active' | 'Pending' | 'Failed' | 'Expired';

const byPhase = (phase: Phase) => (
  <Link to="/policies" search={{ phase }}>
    {phase}
  </Link>
);

const policyRows = ({ active, pending, failed, expired, expiring }: StatusView['policies']): CountRow[] => [
  { key: 'active', icon: CheckCircleIcon, tone: 'good', title: byPhase('Active'), value: active, note: 'proven in every cluster' },
  { key: 'failed', icon: ExclamationCircleIcon, tone: 'danger', title: byPhase('Failed'), value: failed, note: 'in at least one cluster' },
  {
    key: 'pending',
    icon: HourglassHalfIcon,
    tone: 'info',
    title: byPhase('Pending'),
    value: pending,
    note: 'not yet proven in every cluster',
  },
  { key: 'expired', icon: HourglassEndIcon, tone: 'plain', title: byPhase('Expired'), value: expired, note: 'no longer governs' },
  {
    key: 'expiring',
    icon: CalendarAltIcon,
    tone: 'warning',
    title: (
      <Link to="/policies" search={{ expiring: 'true', sort: 'expiry' }}>
        Expiring
      </Link>
    ),
    value: expiring,
    note: 'within 14 days; also counted above',
  },
];

export const PoliciesCard = ({ policies }: { readonly policies: StatusView['policies'] }) => (
  <Card isFullHeight>
    <CardTitle component="h2">
      <span className="fso-card-total">{formatNumber(policies.total)}</span> {policies.total === 1 ? 'policy' : 'policies'}
    </CardTitle>
    <CardBody>
      <CountList label="Policies by phase" rows={policyRows(policies)} />
    </CardBody>
  </Card>
);

const oldest = (time: string | null): ReactNode =>
  time === null ? undefined : (
    <>
      least recently seen <RelativeTime time={time} />
    </>
  );

export interface ClusterAges {
  /** Time at which the least recently seen cluster of this state was last seen, RFC 3339. */
  readonly connected: string | null;
  readonly stale: string | null;
}

const clusterRows = (clusters: StatusView['clusters'], ages: ClusterAges): CountRow[] => [
  {
    key: 'connected',
    icon: ConnectedIcon,
    tone: 'good',
    title: (
      <Link to="/clusters" search={{ connection: 'Connected' }}>
        Connected
      </Link>
    ),
    value: clusters.connected,
    note: oldest(ages.connected),
  },
  {
    key: 'not-observed',
    icon: QuestionCircleIcon,
    tone: 'warning',
    title: (
      <Link to="/clusters" search={{ observed: 'false' }}>
        Not observed
      </Link>
    ),
    value: clusters.notObserved,
    note: 'connected, and their agents do not know how they are now',
  },
  {
    key: 'stale',
    icon: DisconnectedIcon,
    tone: 'warning',
    title: (
      <Link to="/clusters" search={{ connection: 'Disconnected', sort: 'seen' }}>
        Stale
      </Link>
    ),
    value: clusters.disconnected,
    note: oldest(ages.stale) ?? 'not connected; the last report is shown',
  },
  {
    key: 'never-seen',
    icon: QuestionCircleIcon,
    tone: 'info',
    title: (
      <Link to="/clusters" search={{ connection: 'NeverSeen' }}>
        Never seen
      </Link>
    ),
    value: clusters.neverSeen,
    note: 'no report yet',
  },
  {
    key: 'in-sync',
    icon: SyncAltIcon,
    tone: 'good',
    title: (
      <Link to="/clusters" search={{ inSync: 'true' }}>
        In sync
      </Link>
    ),
    value: clusters.inSync,
    note: 'connected and on the commit assigned to them',
  },
  {
    key: 'proven',
    icon: CheckCircleIcon,
    tone: 'good',
    title: 'Proven',
    value: clusters.proven,
    note: 'in sync, and every policy is proven by the locks',
  },
  {
    key: 'tampered',
    icon: ExclamationCircleIcon,
    tone: 'danger',
    title: (
      <Link to="/clusters" search={{ tampered: 'true' }}>
        Tampered with
      </Link>
    ),
    value: clusters.tampered,
    note: 'within an hour before the last report',
  },
];

export const ClustersCard = ({ clusters, ages }: { readonly clusters: StatusView['clusters']; readonly ages: ClusterAges }) => (
  <Card isFullHeight>
    <CardTitle component="h2">
      <span className="fso-card-total">{formatNumber(clusters.total)}</span> {clusters.total === 1 ? 'cluster' : 'clusters'}
    </CardTitle>
    <CardBody>
      <CountList label="Clusters by state" rows={clusterRows(clusters, ages)} />
    </CardBody>
  </Card>
);
