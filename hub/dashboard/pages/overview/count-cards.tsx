import type { StatusView } from '@fso/shared/api';
import CalendarAltIcon from '@patternfly/react-icons/dist/esm/icons/calendar-alt-icon';
import CheckCircleIcon from '@patternfly/react-icons/dist/esm/icons/check-circle-icon';
import ConnectedIcon from '@patternfly/react-icons/dist/esm/icons/connected-icon';
import DisconnectedIcon from '@patternfly/react-icons/dist/esm/icons/disconnected-icon';
import ExclamationCircleIcon from '@patternfly/react-icons/dist/esm/icons/exclamation-circle-icon';
import HourglassEndIcon from '@patternfly/react-icons/dist/esm/icons/hourglass-end-icon';
import HourglassHalfIcon from '@patternfly/react-icons/dist/esm/icons/hourglass-half-icon';
import QuestionCircleIcon from '@patternfly/react-icons/dist/esm/icons/question-circle-icon';
import SyncAltIcon from '@patternfly/react-icons/dist/esm/icons/sync-alt-icon';
import type { ComponentType, ReactNode } from 'react';
import { HubLink } from '../../components/links.tsx';
import { RelativeTime, SectionCard } from '../../components/text.tsx';
import { formatNumber } from '../../lib/format.ts';

interface CountRow {
  readonly title: string;
  /** Page that lists the counted objects. */
  readonly path?: string;
  readonly icon: ComponentType;
  /** `plain` if the number is zero, or neither good nor bad. */
  readonly tone: 'good' | 'danger' | 'warning' | 'info' | 'plain';
  readonly value: number;
  readonly note: ReactNode;
}

interface CountCardProps {
  readonly total: number;
  /** Singular and plural. */
  readonly noun: readonly [one: string, many: string];
  readonly label: string;
  readonly rows: readonly CountRow[];
}

/** Card with a total and its parts. */
const CountCard = ({ total, noun, label, rows }: CountCardProps) => {
  const title = (
    <>
      <span className="fso-card-total">{formatNumber(total)}</span> {total === 1 ? noun[0] : noun[1]}
    </>
  );
  return (
    <SectionCard title={title}>
      <ul className="fso-counts" aria-label={label}>
        {rows.map(({ title: name, path, icon: Icon, tone, value, note }) => (
          <li key={name}>
            <span className={`fso-tone-${value === 0 ? 'plain' : tone}`}>
              <Icon />
            </span>
            <span>
              {path === undefined ? name : <HubLink path={path}>{name}</HubLink>}
              {note === undefined ? null : <span className="fso-count-note">{note}</span>}
            </span>
            <span className="fso-count-value">{formatNumber(value)}</span>
          </li>
        ))}
      </ul>
    </SectionCard>
  );
};

const byPhase = (phase: 'Active' | 'Pending' | 'Failed' | 'Expired') => ({ title: phase, path: `/policies?phase=${phase}` });

const policyRows = ({ active, pending, failed, expired, expiring }: StatusView['policies']): CountRow[] => [
  { ...byPhase('Active'), icon: CheckCircleIcon, tone: 'good', value: active, note: 'proven in every cluster' },
  { ...byPhase('Failed'), icon: ExclamationCircleIcon, tone: 'danger', value: failed, note: 'in at least one cluster' },
  { ...byPhase('Pending'), icon: HourglassHalfIcon, tone: 'info', value: pending, note: 'not yet proven in every cluster' },
  { ...byPhase('Expired'), icon: HourglassEndIcon, tone: 'plain', value: expired, note: 'no longer governs' },
  {
    title: 'Expiring',
    path: '/policies?expiring=true&sort=expiry',
    icon: CalendarAltIcon,
    tone: 'warning',
    value: expiring,
    note: 'within 14 days; also counted above',
  },
];

export const PoliciesCard = ({ policies }: { readonly policies: StatusView['policies'] }) => (
  <CountCard total={policies.total} noun={['policy', 'policies']} label="Policies by phase" rows={policyRows(policies)} />
);

const oldest = (time: string | null): ReactNode =>
  time === null ? undefined : (
    <>
      least recently seen <RelativeTime time={time} />
    </>
  );

/** Times at which the hub last saw the connected and the other clusters. */
export interface ClusterAges {
  /** Time at which the least recently seen cluster of this group was last seen, RFC 3339. */
  readonly connected: string | null;
  readonly stale: string | null;
}

const clusterRows = (clusters: StatusView['clusters'], ages: ClusterAges): CountRow[] => [
  {
    title: 'Connected',
    path: '/clusters?connection=Connected',
    icon: ConnectedIcon,
    tone: 'good',
    value: clusters.connected,
    note: oldest(ages.connected),
  },
  {
    title: 'Not observed',
    path: '/clusters?observed=false',
    icon: QuestionCircleIcon,
    tone: 'warning',
    value: clusters.notObserved,
    note: 'connected, and their agents do not know how they are now',
  },
  {
    title: 'Stale',
    path: '/clusters?connection=Disconnected&sort=seen',
    icon: DisconnectedIcon,
    tone: 'warning',
    value: clusters.disconnected,
    note: oldest(ages.stale) ?? 'not connected; the last report is shown',
  },
  {
    title: 'Never seen',
    path: '/clusters?connection=NeverSeen',
    icon: QuestionCircleIcon,
    tone: 'info',
    value: clusters.neverSeen,
    note: 'no report yet',
  },
  {
    title: 'In sync',
    path: '/clusters?inSync=true',
    icon: SyncAltIcon,
    tone: 'good',
    value: clusters.inSync,
    note: 'connected and on the commit assigned to them',
  },
  {
    icon: CheckCircleIcon,
    tone: 'good',
    title: 'Proven',
    value: clusters.proven,
    note: 'in sync, and every policy is proven by the locks',
  },
  {
    title: 'Tampered with',
    path: '/clusters?tampered=true',
    icon: ExclamationCircleIcon,
    tone: 'danger',
    value: clusters.tampered,
    note: 'within an hour before the last report',
  },
];

interface ClustersCardProps {
  readonly clusters: StatusView['clusters'];
  readonly ages: ClusterAges;
}

export const ClustersCard = ({ clusters, ages }: ClustersCardProps) => (
  <CountCard total={clusters.total} noun={['cluster', 'clusters']} label="Clusters by state" rows={clusterRows(clusters, ages)} />
);
