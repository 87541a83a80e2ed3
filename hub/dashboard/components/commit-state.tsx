import type { CommitSummary } from '@fso/shared/api';
import BanIcon from '@patternfly/react-icons/dist/esm/icons/ban-icon';
import CheckCircleIcon from '@patternfly/react-icons/dist/esm/icons/check-circle-icon';
import ExclamationCircleIcon from '@patternfly/react-icons/dist/esm/icons/exclamation-circle-icon';
import FastForwardIcon from '@patternfly/react-icons/dist/esm/icons/fast-forward-icon';
import InProgressIcon from '@patternfly/react-icons/dist/esm/icons/in-progress-icon';
import QuestionCircleIcon from '@patternfly/react-icons/dist/esm/icons/question-circle-icon';
import ShieldAltIcon from '@patternfly/react-icons/dist/esm/icons/shield-alt-icon';
import { type Look, StateLabel } from './state-label.tsx';

const STATES: Readonly<Record<CommitSummary['state'], Look>> = {
  rejected: { text: 'Rejected', icon: BanIcon, color: 'red', title: 'The hub refused it: the last good commit stays in force' },
  refused: {
    text: 'Refused',
    icon: ExclamationCircleIcon,
    color: 'red',
    title: 'An agent refused it: its cluster keeps the last good one',
  },
  inProgress: { text: 'In progress', icon: InProgressIcon, color: 'blue', title: 'Connected clusters have not all proven it yet' },
  enforced: { text: 'Enforced', icon: CheckCircleIcon, color: 'green', title: 'Proven in every cluster that is connected' },
  superseded: { text: 'Superseded', icon: FastForwardIcon, color: 'grey', title: 'A newer commit came before it was enforced everywhere' },
};

export const CommitStateLabel = ({ state }: Pick<CommitSummary, 'state'>) => <StateLabel look={STATES[state]} />;

const VERIFICATIONS: Readonly<Record<NonNullable<CommitSummary['verification']>['state'], Look>> = {
  verified: { text: 'Verified', icon: ShieldAltIcon, color: 'green', title: 'Signed by who may' },
  unverified: { text: 'Not verified', icon: QuestionCircleIcon, color: 'grey', title: 'No signers are configured: nobody looked' },
  failed: {
    text: 'Bad signature',
    icon: ExclamationCircleIcon,
    color: 'red',
    title: 'Found bad, and taken all the same (FSO_VERIFY=warn)',
  },
};
const NOT_JUDGED: Look = {
  text: 'Not judged',
  icon: QuestionCircleIcon,
  color: 'grey',
  title: 'It was refused before, or the record begins later',
};

/** @param verification by the hub; agents judge for themselves */
export const VerificationLabel = ({ verification }: Pick<CommitSummary, 'verification'>) => (
  <StateLabel look={verification === null ? NOT_JUDGED : VERIFICATIONS[verification.state]} />
);
