import type {
  AlertSeverity,
  ClusterView,
  CommitSummary,
  ConnectionState,
  EnforcementAction,
  EventView,
  LockState,
  Phase,
} from '@fso/shared/api';
import { Label, type LabelProps, Tooltip } from '@patternfly/react-core';
import BanIcon from '@patternfly/react-icons/dist/esm/icons/ban-icon';
import BellIcon from '@patternfly/react-icons/dist/esm/icons/bell-icon';
import CheckCircleIcon from '@patternfly/react-icons/dist/esm/icons/check-circle-icon';
import ClockIcon from '@patternfly/react-icons/dist/esm/icons/clock-icon';
import ConnectedIcon from '@patternfly/react-icons/dist/esm/icons/connected-icon';
import DisconnectedIcon from '@patternfly/react-icons/dist/esm/icons/disconnected-icon';
import ExclamationCircleIcon from '@patternfly/react-icons/dist/esm/icons/exclamation-circle-icon';
import ExclamationTriangleIcon from '@patternfly/react-icons/dist/esm/icons/exclamation-triangle-icon';
import EyeIcon from '@patternfly/react-icons/dist/esm/icons/eye-icon';
import FastForwardIcon from '@patternfly/react-icons/dist/esm/icons/fast-forward-icon';
import HourglassEndIcon from '@patternfly/react-icons/dist/esm/icons/hourglass-end-icon';
import HourglassHalfIcon from '@patternfly/react-icons/dist/esm/icons/hourglass-half-icon';
import InProgressIcon from '@patternfly/react-icons/dist/esm/icons/in-progress-icon';
import InfoCircleIcon from '@patternfly/react-icons/dist/esm/icons/info-circle-icon';
import LockIcon from '@patternfly/react-icons/dist/esm/icons/lock-icon';
import MinusCircleIcon from '@patternfly/react-icons/dist/esm/icons/minus-circle-icon';
import QuestionCircleIcon from '@patternfly/react-icons/dist/esm/icons/question-circle-icon';
import ShieldAltIcon from '@patternfly/react-icons/dist/esm/icons/shield-alt-icon';
import WrenchIcon from '@patternfly/react-icons/dist/esm/icons/wrench-icon';
import type { ComponentType, ReactNode } from 'react';
import type { Filter } from '../lib/filters.ts';

interface HintProps {
  readonly text: string;
  readonly children: ReactNode;
}

/** Shows an explanation when its content is hovered, focused or tapped. */
export const Hint = ({ text, children }: HintProps) => (
  <Tooltip content={text}>
    {/* biome-ignore lint/a11y/noNoninteractiveTabindex: the explanation must be reachable by keyboard. */}
    <span tabIndex={0} className="fso-meaning">
      {children}
    </span>
  </Tooltip>
);

/** Look of a state: an icon and a word. The colour adds no meaning. */
export interface Look {
  readonly text: string;
  readonly icon: ComponentType;
  readonly color: NonNullable<LabelProps['color']>;
  /** Explanation of the state, for people who do not know the term. */
  readonly title?: string;
}

const PHASES: Readonly<Record<Phase, Look>> = {
  Active: { text: 'Active', icon: CheckCircleIcon, color: 'green', title: 'Proven in every target cluster' },
  Pending: {
    text: 'Pending',
    icon: HourglassHalfIcon,
    color: 'blue',
    title: 'Not yet proven in every cluster, or a cluster is not connected or not observed',
  },
  Failed: { text: 'Failed', icon: ExclamationCircleIcon, color: 'red', title: 'At least one cluster does not enforce it' },
  Expired: { text: 'Expired', icon: HourglassEndIcon, color: 'grey', title: 'Its expiry date has passed; it no longer applies' },
};

const LOCKS: Readonly<Record<LockState, Look>> = {
  Enforced: { text: 'Enforced', icon: LockIcon, color: 'green', title: 'Proven by a test request that the lock refused' },
  Pending: { text: 'Pending', icon: HourglassHalfIcon, color: 'blue', title: 'Written, not yet proven' },
  Degraded: { text: 'Degraded', icon: ExclamationCircleIcon, color: 'red', title: 'The cluster rejected it, or its proof failed' },
  Unavailable: { text: 'Unavailable', icon: ExclamationTriangleIcon, color: 'orange', title: 'This cluster does not support it' },
  NotApplicable: { text: 'Not applicable', icon: MinusCircleIcon, color: 'grey', title: 'Nothing to enforce' },
};

const CONNECTIONS: Readonly<Record<ConnectionState, Look>> = {
  Connected: { text: 'Connected', icon: ConnectedIcon, color: 'green' },
  Disconnected: { text: 'Stale', icon: DisconnectedIcon, color: 'orange', title: 'Not connected; the last known state is shown' },
  NeverSeen: { text: 'Never seen', icon: QuestionCircleIcon, color: 'grey', title: 'Registered, but its agent has never connected' },
};

const NOT_OBSERVED: Look = {
  text: 'Not observed',
  icon: QuestionCircleIcon,
  color: 'orange',
  title: 'Connected, but its agent does not know how the cluster is now',
};

const ACTIONS: Readonly<Record<EnforcementAction, Look>> = {
  deny: { text: 'Deny', icon: BanIcon, color: 'purple', title: 'Refuses a violating pod' },
  warn: { text: 'Warn', icon: ExclamationTriangleIcon, color: 'yellow', title: 'Admits a violating pod with a warning' },
  dryrun: { text: 'Dry run', icon: EyeIcon, color: 'teal', title: 'Only records a violating pod' },
  custom: { text: 'Custom', icon: WrenchIcon, color: 'grey', title: 'Each lock has its own action' },
};

const UNKNOWN: Look = { text: 'Not reported', icon: ClockIcon, color: 'grey' };

/** Options of a filter by states with these looks. */
export const stateOptions = (looks: Readonly<Record<string, Look>>): NonNullable<Filter['options']> =>
  Object.entries(looks).map(([value, { text }]) => ({ value, text }));

export const PHASE_OPTIONS = stateOptions(PHASES);
export const CONNECTION_OPTIONS = stateOptions(CONNECTIONS);
export const ACTION_OPTIONS = stateOptions(ACTIONS);

interface StateLabelProps {
  readonly look: Look;
  /** Text before the state, e.g. the name of a lock. */
  readonly prefix?: string | undefined;
}

/** Label of a state. The components below are labels of states that several pages show. */
export const StateLabel = ({ look: { text, icon: Icon, color, title }, prefix }: StateLabelProps) => {
  const label = (
    <Label isCompact variant="outline" color={color} icon={<Icon />}>
      {prefix === undefined ? text : `${prefix}: ${text}`}
    </Label>
  );
  return title === undefined ? label : <Hint text={title}>{label}</Hint>;
};

export const PhaseLabel = ({ phase }: { readonly phase: Phase }) => <StateLabel look={PHASES[phase]} />;
/** @param state null if not reported yet */
export const LockLabel = ({ state, lock }: { readonly state: LockState | null; readonly lock?: string }) => (
  <StateLabel look={state === null ? UNKNOWN : LOCKS[state]} prefix={lock} />
);
export const ConnectionLabel = ({ connection, notObserved }: Pick<ClusterView, 'connection' | 'notObserved'>) => (
  <StateLabel look={notObserved === null ? CONNECTIONS[connection] : NOT_OBSERVED} />
);
export const ActionLabel = ({ action }: { readonly action: EnforcementAction }) => <StateLabel look={ACTIONS[action]} />;

const SEVERITIES: Readonly<Record<EventView['severity'], Look>> = {
  alert: { text: 'Alert', icon: BellIcon, color: 'red' },
  warning: { text: 'Warning', icon: ExclamationTriangleIcon, color: 'orange' },
  info: { text: 'Info', icon: InfoCircleIcon, color: 'blue' },
};

export const SeverityLabel = ({ severity }: Pick<EventView, 'severity'>) => <StateLabel look={SEVERITIES[severity]} />;

export const SEVERITY_OPTIONS = stateOptions(SEVERITIES);

const ALERT_SEVERITIES: Readonly<Record<AlertSeverity, Look>> = {
  critical: { text: 'Critical', icon: ExclamationCircleIcon, color: 'red' },
  warning: SEVERITIES.warning,
  info: SEVERITIES.info,
};

/** Label of the severity of an issue or alert. */
export const AlertSeverityLabel = ({ severity }: { readonly severity: AlertSeverity }) => <StateLabel look={ALERT_SEVERITIES[severity]} />;

export const ALERT_SEVERITY_OPTIONS = stateOptions(ALERT_SEVERITIES);

const COMMIT_STATES: Readonly<Record<CommitSummary['state'], Look>> = {
  rejected: { text: 'Rejected', icon: BanIcon, color: 'red', title: 'The hub rejected it; the last good commit stays in force' },
  refused: {
    text: 'Refused',
    icon: ExclamationCircleIcon,
    color: 'red',
    title: 'An agent refused it; its cluster keeps the last good commit',
  },
  inProgress: { text: 'In progress', icon: InProgressIcon, color: 'blue', title: 'Not yet proven in every connected cluster' },
  enforced: { text: 'Enforced', icon: CheckCircleIcon, color: 'green', title: 'Proven in every connected cluster' },
  superseded: {
    text: 'Superseded',
    icon: FastForwardIcon,
    color: 'grey',
    title: 'A newer commit replaced it before every cluster enforced it',
  },
};

export const CommitStateLabel = ({ state }: Pick<CommitSummary, 'state'>) => <StateLabel look={COMMIT_STATES[state]} />;

const VERIFICATIONS: Readonly<Record<NonNullable<CommitSummary['verification']>['state'], Look>> = {
  verified: { text: 'Verified', icon: ShieldAltIcon, color: 'green', title: 'Signed by an allowed signer' },
  unverified: {
    text: 'Not verified',
    icon: QuestionCircleIcon,
    color: 'grey',
    title: 'No allowed signers are configured, so the signature is not checked',
  },
  failed: {
    text: 'Bad signature',
    icon: ExclamationCircleIcon,
    color: 'red',
    title: 'The signature is bad; the commit was accepted (FSO_VERIFY=warn)',
  },
};
const NOT_JUDGED: Look = {
  text: 'Not judged',
  icon: QuestionCircleIcon,
  color: 'grey',
  title: 'Rejected before its signature was checked, or older than the record',
};

/** @param verification result of the hub; agents verify on their own */
export const VerificationLabel = ({ verification }: Pick<CommitSummary, 'verification'>) => (
  <StateLabel look={verification === null ? NOT_JUDGED : VERIFICATIONS[verification.state]} />
);
