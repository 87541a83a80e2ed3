import type { CommitSummary } from '@fso/shared/api';
import BanIcon from '@patternfly/react-icons/dist/esm/icons/ban-icon';
import CheckCircleIcon from '@patternfly/react-icons/dist/esm/icons/check-circle-icon';
import ExclamationCircleIcon from '@patternfly/react-icons/dist/esm/icons/exclamation-circle-icon';
import FastForwardIcon from '@patternfly/react-icons/dist/esm/icons/fast-forward-icon';
import HourglassHalfIcon from '@patternfly/react-icons/dist/esm/icons/hourglass-half-icon';
import { type Look, StateLabel } from './state-label.tsx';

const LOOKS: Readonly<Record<CommitSummary['state'], Look>> = {
  rejected: { text: 'Rejected', icon: BanIcon, color: 'red', title: 'The hub refused it: the commit before stays in force' },
  inProgress: { text: 'In progress', icon: HourglassHalfIcon, color: 'blue', title: 'Clusters are on their way to it' },
  enforced: { text: 'Enforced', icon: CheckCircleIcon, color: 'green', title: 'Proven in every cluster that is connected' },
  refused: { text: 'Refused', icon: ExclamationCircleIcon, color: 'red', title: 'A cluster refused it and keeps the one before' },
  superseded: { text: 'Superseded', icon: FastForwardIcon, color: 'grey', title: 'A newer commit came before it was enforced everywhere' },
};

export const CommitStateLabel = ({ state }: { readonly state: CommitSummary['state'] }) => <StateLabel look={LOOKS[state]} />;
