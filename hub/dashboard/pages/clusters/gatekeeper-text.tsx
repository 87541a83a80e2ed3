import type { ClusterReport } from '@fso/shared/api';
import { Icon } from '@patternfly/react-core';
import ExclamationTriangleIcon from '@patternfly/react-icons/dist/esm/icons/exclamation-triangle-icon';

const WORDS = { Ready: 'ready', NotReady: 'not ready', Absent: 'not installed' } as const;

interface GatekeeperTextProps {
  readonly gatekeeper: ClusterReport['gatekeeper'];
  /** Says its version alone where it is ready. */
  readonly isShort?: boolean;
}

const textOf = ({ state, version }: ClusterReport['gatekeeper'], isShort: boolean): string => {
  if (version === undefined) return WORDS[state];
  return isShort && state === 'Ready' ? version.replace(/^v/, '') : `${version}, ${WORDS[state]}`;
};

/** Version and state of Gatekeeper in a cluster. */
export const GatekeeperText = ({ gatekeeper, isShort = false }: GatekeeperTextProps) => {
  const { state } = gatekeeper;
  return (
    <span className="fso-nowrap">
      {state === 'Ready' ? null : (
        <>
          <Icon status="warning" isInline>
            <ExclamationTriangleIcon />
          </Icon>{' '}
        </>
      )}
      {textOf(gatekeeper, isShort)}
    </span>
  );
};
