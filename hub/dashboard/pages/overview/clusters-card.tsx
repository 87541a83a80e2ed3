import type { StatusView } from '@fso/shared/api';
import { Card, CardBody, CardTitle } from '@patternfly/react-core';
import CheckCircleIcon from '@patternfly/react-icons/dist/esm/icons/check-circle-icon';
import ConnectedIcon from '@patternfly/react-icons/dist/esm/icons/connected-icon';
import DisconnectedIcon from '@patternfly/react-icons/dist/esm/icons/disconnected-icon';
import ExclamationCircleIcon from '@patternfly/react-icons/dist/esm/icons/exclamation-circle-icon';
import QuestionCircleIcon from '@patternfly/react-icons/dist/esm/icons/question-circle-icon';
import SyncAltIcon from '@patternfly/react-icons/dist/esm/icons/sync-alt-icon';
import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { RelativeTime } from '../../components/text.tsx';
import { formatNumber } from '../../lib/format.ts';
import { CountList, type CountRow } from './count-list.tsx';
import type { ClusterAges } from './use-facts.ts';

const oldest = (time: string | null): ReactNode =>
  time === null ? undefined : (
    <>
      oldest heard of <RelativeTime time={time} />
    </>
  );

const rowsOf = (clusters: StatusView['clusters'], ages: ClusterAges): CountRow[] => [
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
    key: 'stale',
    icon: DisconnectedIcon,
    tone: 'warning',
    title: (
      <Link to="/clusters" search={{ connection: 'Disconnected', sort: 'seen' }}>
        Stale
      </Link>
    ),
    value: clusters.disconnected,
    note: oldest(ages.stale) ?? 'not connected: known is what was last reported',
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
    note: 'nothing is known of them',
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
    note: 'connected, and took the commit meant for them',
  },
  {
    key: 'proven',
    icon: CheckCircleIcon,
    tone: 'good',
    title: 'Proven',
    value: clusters.proven,
    note: 'in sync, and the locks proved every policy',
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
      <CountList label="Clusters by what is known of them" rows={rowsOf(clusters, ages)} />
    </CardBody>
  </Card>
);
