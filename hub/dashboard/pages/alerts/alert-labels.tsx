import type { AlertState, SilenceView } from '@fso/shared/api';
import BellIcon from '@patternfly/react-icons/dist/esm/icons/bell-icon';
import BellSlashIcon from '@patternfly/react-icons/dist/esm/icons/bell-slash-icon';
import CheckCircleIcon from '@patternfly/react-icons/dist/esm/icons/check-circle-icon';
import ClockIcon from '@patternfly/react-icons/dist/esm/icons/clock-icon';
import HistoryIcon from '@patternfly/react-icons/dist/esm/icons/history-icon';
import { type Look, StateLabel, stateOptions } from '../../components/state-label.tsx';

const STATES: Readonly<Record<AlertState, Look>> = {
  firing: { text: 'Firing', icon: BellIcon, color: 'red', title: 'The problem lasts' },
  silenced: { text: 'Silenced', icon: BellSlashIcon, color: 'grey', title: 'The problem lasts, and nobody is notified of it' },
  resolved: { text: 'Resolved', icon: CheckCircleIcon, color: 'green', title: 'The problem ended within the last 24 hours' },
};

const SILENCES: Readonly<Record<SilenceView['state'], Look>> = {
  active: { text: 'Active', icon: BellSlashIcon, color: 'purple', title: 'What it matches is silenced now' },
  pending: { text: 'Pending', icon: ClockIcon, color: 'blue', title: 'It begins later' },
  ended: { text: 'Ended', icon: HistoryIcon, color: 'grey', title: 'It silences nothing any more' },
};

export const ALERT_STATE_OPTIONS = stateOptions(STATES);

export const AlertStateLabel = ({ state }: { readonly state: AlertState }) => <StateLabel look={STATES[state]} />;
export const SilenceStateLabel = ({ state }: Pick<SilenceView, 'state'>) => <StateLabel look={SILENCES[state]} />;
