import type { StatusView } from '@fso/shared/api';
import { Card, CardBody, CardTitle } from '@patternfly/react-core';
import CalendarAltIcon from '@patternfly/react-icons/dist/esm/icons/calendar-alt-icon';
import CheckCircleIcon from '@patternfly/react-icons/dist/esm/icons/check-circle-icon';
import ExclamationCircleIcon from '@patternfly/react-icons/dist/esm/icons/exclamation-circle-icon';
import HourglassEndIcon from '@patternfly/react-icons/dist/esm/icons/hourglass-end-icon';
import HourglassHalfIcon from '@patternfly/react-icons/dist/esm/icons/hourglass-half-icon';
import { Link } from '@tanstack/react-router';
import { formatNumber } from '../../lib/format.ts';
import { CountList, type CountRow } from './count-list.tsx';

type Phase = 'Active' | 'Pending' | 'Failed' | 'Expired';

const byPhase = (phase: Phase) => (
  <Link to="/policies" search={{ phase }}>
    {phase}
  </Link>
);

const rowsOf = ({ active, pending, failed, expired, expiring }: StatusView['policies']): CountRow[] => [
  { key: 'active', icon: CheckCircleIcon, tone: 'good', title: byPhase('Active'), value: active, note: 'proven in every cluster' },
  { key: 'failed', icon: ExclamationCircleIcon, tone: 'danger', title: byPhase('Failed'), value: failed, note: 'in a cluster at least' },
  {
    key: 'pending',
    icon: HourglassHalfIcon,
    tone: 'info',
    title: byPhase('Pending'),
    value: pending,
    note: 'not proven, or not known, everywhere',
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
    note: 'within 14 days; counted above, too',
  },
];

export const PoliciesCard = ({ policies }: { readonly policies: StatusView['policies'] }) => (
  <Card isFullHeight>
    <CardTitle component="h2">
      <span className="fso-card-total">{formatNumber(policies.total)}</span> {policies.total === 1 ? 'policy' : 'policies'}
    </CardTitle>
    <CardBody>
      <CountList label="Policies by phase" rows={rowsOf(policies)} />
    </CardBody>
  </Card>
);
