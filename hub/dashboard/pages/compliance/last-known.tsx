import QuestionCircleIcon from '@patternfly/react-icons/dist/esm/icons/question-circle-icon';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { statusQuery } from '../../api/queries.ts';
import { LastKnown } from '../../components/last-known.tsx';
import { Empty } from '../../components/states.tsx';
import { count } from '../../lib/count.ts';
import type { Connection, ConnectionOfCluster } from '../clusters/connections.ts';

const Age = ({ connection }: { readonly connection: Connection | undefined }) => {
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

/** A cluster; where it is not connected, how old everything is that is shown of it. */
export const ClusterName = ({ cluster, connectionOf }: ClusterNameProps) => (
  <div>
    <Link to="/clusters/$name" params={{ name: cluster }}>
      {cluster}
    </Link>
    <Age connection={connectionOf(cluster)} />
  </div>
);

/** No agent names one: which is good only as far as agents are heard. */
export const NoViolations = () => {
  const { data: unheard, isSuccess } = useQuery({
    ...statusQuery,
    select: ({ clusters: { total, connected } }) => total - connected,
  });
  if (!isSuccess) return <Empty title="No violations are known">Whether every cluster is connected is not known.</Empty>;
  return unheard === 0 ? (
    <Empty title="No violations">Every workload that agents see is where it may be.</Empty>
  ) : (
    <Empty title="No violations are known">
      {count(unheard, 'cluster is', 'clusters are')} not connected: nobody knows what runs there now.
    </Empty>
  );
};
