import type { EventView } from '@fso/shared/api';
import BellIcon from '@patternfly/react-icons/dist/esm/icons/bell-icon';
import ExclamationTriangleIcon from '@patternfly/react-icons/dist/esm/icons/exclamation-triangle-icon';
import InfoCircleIcon from '@patternfly/react-icons/dist/esm/icons/info-circle-icon';
import { type Look, StateLabel, stateOptions } from './state-label.tsx';

const LOOKS: Readonly<Record<EventView['severity'], Look>> = {
  alert: { text: 'Alert', icon: BellIcon, color: 'red' },
  warning: { text: 'Warning', icon: ExclamationTriangleIcon, color: 'orange' },
  info: { text: 'Info', icon: InfoCircleIcon, color: 'blue' },
};

export const SeverityLabel = ({ severity }: Pick<EventView, 'severity'>) => <StateLabel look={LOOKS[severity]} />;

export const SEVERITY_OPTIONS = stateOptions(LOOKS);
