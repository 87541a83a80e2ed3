import BanIcon from '@patternfly/react-icons/dist/esm/icons/ban-icon';
import CheckCircleIcon from '@patternfly/react-icons/dist/esm/icons/check-circle-icon';
import ClockIcon from '@patternfly/react-icons/dist/esm/icons/clock-icon';
import HourglassHalfIcon from '@patternfly/react-icons/dist/esm/icons/hourglass-half-icon';
import QuestionCircleIcon from '@patternfly/react-icons/dist/esm/icons/question-circle-icon';
import SyncAltIcon from '@patternfly/react-icons/dist/esm/icons/sync-alt-icon';
import { type Look, StateLabel } from '../../components/state-label.tsx';
import type { SyncState } from '../../lib/health.ts';

const LOOKS: Readonly<Record<SyncState, Look>> = {
  proven: { text: 'In sync', icon: CheckCircleIcon, color: 'green', title: 'At the commit meant for it, every policy proven by the locks' },
  accepted: {
    text: 'Not proven',
    icon: HourglassHalfIcon,
    color: 'blue',
    title: 'At the commit meant for it, but a policy is not proven by the locks',
  },
  behind: { text: 'Behind', icon: SyncAltIcon, color: 'orange', title: 'Not at the commit meant for it yet' },
  refused: { text: 'Refused', icon: BanIcon, color: 'red', title: 'The agent refused the commit; the last good one is in force' },
  lastKnown: { text: 'Last known', icon: ClockIcon, color: 'grey', title: 'Not connected: nobody knows what is in force now' },
  unknown: { text: 'Not known', icon: QuestionCircleIcon, color: 'grey', title: 'The agent has never connected' },
};

export const SyncLabel = ({ sync }: { readonly sync: SyncState }) => <StateLabel look={LOOKS[sync]} />;
