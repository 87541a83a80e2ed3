import type { ClusterReport, ClusterView } from '@fso/shared/api';
import { Icon, type IconComponentProps } from '@patternfly/react-core';
import BanIcon from '@patternfly/react-icons/dist/esm/icons/ban-icon';
import CheckCircleIcon from '@patternfly/react-icons/dist/esm/icons/check-circle-icon';
import ClockIcon from '@patternfly/react-icons/dist/esm/icons/clock-icon';
import ExclamationCircleIcon from '@patternfly/react-icons/dist/esm/icons/exclamation-circle-icon';
import ExclamationTriangleIcon from '@patternfly/react-icons/dist/esm/icons/exclamation-triangle-icon';
import HourglassHalfIcon from '@patternfly/react-icons/dist/esm/icons/hourglass-half-icon';
import QuestionCircleIcon from '@patternfly/react-icons/dist/esm/icons/question-circle-icon';
import SyncAltIcon from '@patternfly/react-icons/dist/esm/icons/sync-alt-icon';
import { type Look, StateLabel } from '../../components/state-label.tsx';
import { RelativeTime } from '../../components/text.tsx';
import { formatNumber } from '../../lib/format.ts';
import { type CertificateState, certificateState, type SyncState } from '../../lib/health.ts';
import { useNow } from '../../lib/time.ts';

const CERTIFICATE_WORDS: Readonly<Record<CertificateState, string | undefined>> = {
  good: undefined,
  none: undefined,
  late: 'not renewed',
  expired: 'expired',
};

export const Warning = ({ status = 'warning' }: Pick<IconComponentProps, 'status'>) => (
  <Icon status={status} isInline>
    <ExclamationTriangleIcon />
  </Icon>
);

/** Expiry of an agent's certificate, with a warning if renewal is overdue. */
export const CertificateExpiry = ({ expires }: { readonly expires: string | null }) => {
  const word = CERTIFICATE_WORDS[certificateState(expires, useNow(60_000))];
  return (
    <>
      <RelativeTime time={expires} absent="none" />
      {word === undefined ? null : (
        <div className="fso-nowrap">
          <Warning status={word === 'expired' ? 'danger' : 'warning'} /> {word}
        </div>
      )}
    </>
  );
};

const GATEKEEPER_WORDS = { Ready: 'ready', NotReady: 'not ready', Absent: 'not installed' } as const;

interface GatekeeperTextProps {
  readonly gatekeeper: ClusterReport['gatekeeper'];
  /** Whether only the version is shown if Gatekeeper is ready. */
  readonly isShort?: boolean;
}

const textOf = ({ state, version }: ClusterReport['gatekeeper'], isShort: boolean): string => {
  if (version === undefined) return GATEKEEPER_WORDS[state];
  return isShort && state === 'Ready' ? version.replace(/^v/, '') : `${version}, ${GATEKEEPER_WORDS[state]}`;
};

/** Version and state of Gatekeeper in a cluster. */
export const GatekeeperText = ({ gatekeeper, isShort = false }: GatekeeperTextProps) => {
  const { state } = gatekeeper;
  return (
    <span className="fso-nowrap">
      {state !== 'Ready' && (
        <>
          <Warning />{' '}
        </>
      )}
      {textOf(gatekeeper, isShort)}
    </span>
  );
};

/** Counts of policies by phase, worst first. Phases without policies are left out. */
export const PhaseCounts = ({ policies }: { readonly policies: ClusterView['policies'] }) => {
  const { total, failed, pending, active, expired } = policies;
  const rest = [
    pending > 0 ? `${formatNumber(pending)} pending` : '',
    active > 0 ? `${formatNumber(active)} active` : '',
    expired > 0 ? `${formatNumber(expired)} expired` : '',
  ].filter((text) => text !== '');
  if (total === 0) return <span className="fso-muted">none</span>;
  return (
    <>
      {failed === 0 ? null : (
        <div className="fso-nowrap">
          <Icon status="danger" isInline>
            <ExclamationCircleIcon />
          </Icon>{' '}
          <strong>{formatNumber(failed)} failed</strong>
        </div>
      )}
      {rest.map((text) => (
        <div key={text} className="fso-nowrap">
          {text}
        </div>
      ))}
    </>
  );
};

const SYNC_LOOKS: Readonly<Record<SyncState, Look>> = {
  proven: {
    text: 'In sync',
    icon: CheckCircleIcon,
    color: 'green',
    title: 'On its assigned commit, with every policy proven by the locks',
  },
  accepted: {
    text: 'Not proven',
    icon: HourglassHalfIcon,
    color: 'blue',
    title: 'On its assigned commit, but the locks have not proven every policy',
  },
  behind: { text: 'Behind', icon: SyncAltIcon, color: 'orange', title: 'Not yet on its assigned commit' },
  refused: { text: 'Refused', icon: BanIcon, color: 'red', title: 'The agent refused the commit; the last good one stays in force' },
  lastKnown: { text: 'Last known', icon: ClockIcon, color: 'grey', title: 'Not connected; the commit in force is unknown' },
  unknown: { text: 'Not known', icon: QuestionCircleIcon, color: 'grey', title: 'The agent has never connected' },
};

export const SyncLabel = ({ sync }: { readonly sync: SyncState }) => <StateLabel look={SYNC_LOOKS[sync]} />;
