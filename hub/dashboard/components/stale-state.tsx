import './stale-state.css';
import DisconnectedIcon from '@patternfly/react-icons/dist/esm/icons/disconnected-icon';
import QuestionCircleIcon from '@patternfly/react-icons/dist/esm/icons/question-circle-icon';
import type { ReactNode } from 'react';
import { type ClusterConnection, type ConnectionOfCluster, useConnections } from '../api/connections.ts';
import { ClusterLink } from './links.tsx';
import { RelativeTime } from './text.tsx';

/**
 * Note beside the last known state of a cluster that is not connected.
 *
 * @param lastSeen RFC 3339; undefined if not read yet
 */
const LastKnown = ({ lastSeen }: { readonly lastSeen: string | null | undefined }) => (
  <div className="fso-muted">
    <DisconnectedIcon /> last known
    {lastSeen === undefined ? null : (
      <>
        , <RelativeTime time={lastSeen} absent="time not known" />
      </>
    )}
  </div>
);

/** Age of the state shown for a cluster that is not connected. */
export const LastKnownCluster = ({ cluster }: { readonly cluster: string }) => {
  const connection = useConnections()(cluster);
  return <LastKnown lastSeen={connection?.connection === 'Connected' ? undefined : connection?.lastSeen} />;
};

/** Past state, without the colour of a current one. */
export const StaleState = ({ children }: { readonly children: ReactNode }) => <div className="fso-stale-state">{children}</div>;

const Staleness = ({ connection }: { readonly connection: ClusterConnection | undefined }) => {
  if (connection === undefined)
    return (
      <div className="fso-muted">
        <QuestionCircleIcon /> connection not known
      </div>
    );
  return connection.connection === 'Connected' ? null : <LastKnown lastSeen={connection.lastSeen} />;
};

interface ClusterNameProps {
  readonly cluster: string;
  readonly connectionOf: ConnectionOfCluster;
}

/** Link to a cluster, with the age of its last known state if it is not connected. */
export const ClusterName = ({ cluster, connectionOf }: ClusterNameProps) => (
  <div>
    <ClusterLink cluster={cluster} />
    <Staleness connection={connectionOf(cluster)} />
  </div>
);
