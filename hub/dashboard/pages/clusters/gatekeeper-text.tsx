import type { ClusterReport } from '@fso/shared/api';
import { Icon } from '@patternfly/react-core';
import ExclamationTriangleIcon from '@patternfly/react-icons/dist/esm/icons/exclamation-triangle-icon';

const WORDS = { Ready: 'ready', NotReady: 'not ready', Absent: 'not installed' } as const;

/** Version and state of Gatekeeper in a cluster. */
export const GatekeeperText = ({ gatekeeper }: { readonly gatekeeper: ClusterReport['gatekeeper'] }) => {
  const { state, version } = gatekeeper;
  return (
    <span className="fso-nowrap">
      {state === 'Ready' ? null : (
        <>
          <Icon status="warning" isInline>
            <ExclamationTriangleIcon />
          </Icon>{' '}
        </>
      )}
      {version === undefined ? '' : `${version}, `}
      {WORDS[state]}
    </span>
  );
};
