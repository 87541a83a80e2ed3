import DisconnectedIcon from '@patternfly/react-icons/dist/esm/icons/disconnected-icon';
import { Link } from '@tanstack/react-router';
import { RelativeTime } from '../../components/relative-time.tsx';
import { type Look, StateLabel } from '../../components/state-label.tsx';

const LAST_KNOWN: Look = { text: 'Last known', icon: DisconnectedIcon, color: 'orange', title: 'The cluster is not connected' };

interface ClusterNameProps {
  readonly cluster: string;
  readonly disconnected: ReadonlyMap<string, string | null> | undefined;
}

/** A cluster; where it is not connected, how old everything is that is shown of it. */
export const ClusterName = ({ cluster, disconnected }: ClusterNameProps) => (
  <div>
    <Link to="/clusters/$name" params={{ name: cluster }}>
      {cluster}
    </Link>
    {disconnected?.has(cluster) === true ? (
      <div>
        <StateLabel look={LAST_KNOWN} /> <RelativeTime time={disconnected.get(cluster)} absent="" />
      </div>
    ) : null}
  </div>
);
