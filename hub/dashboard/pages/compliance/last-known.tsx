import { Label } from '@patternfly/react-core';
import DisconnectedIcon from '@patternfly/react-icons/dist/esm/icons/disconnected-icon';
import { useInfiniteQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { clustersQuery } from '../../api/queries.ts';
import { RelativeTime } from '../../components/relative-time.tsx';
import { rowsOf } from '../../components/rows-of.ts';

/** Clusters that are not connected, and when the hub last heard of each; undefined: not known yet. */
export const useDisconnected = (): ReadonlyMap<string, string | null> | undefined => {
  const { data, isSuccess } = useInfiniteQuery(clustersQuery({ connection: 'Disconnected', limit: 500 }));
  return isSuccess ? new Map(rowsOf(data).map(({ name, lastSeen }) => [name, lastSeen])) : undefined;
};

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
        <Label isCompact variant="outline" color="orange" icon={<DisconnectedIcon />} title="The cluster is not connected">
          Last known
        </Label>{' '}
        <RelativeTime time={disconnected.get(cluster)} absent="" />
      </div>
    ) : null}
  </div>
);
