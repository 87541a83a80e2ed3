import './clusters.css';
import type { ClusterView } from '@fso/shared/api';
import { PageSection, Stack, StackItem } from '@patternfly/react-core';
import { useQuery } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { clusterQuery } from '../../api/queries.ts';
import { QueryView, StaleBanner } from '../../components/empty-states.tsx';
import { PageHeader } from '../../components/page-header.tsx';
import { ConnectionLabel } from '../../components/state-label.tsx';
import { syncStateOf } from '../../lib/health.ts';
import { ClusterTabs } from './cluster-tabs.tsx';
import { Concerns } from './concerns-list.tsx';
import { NeverSeen } from './never-seen.tsx';
import { SyncLabel } from './sync-label.tsx';

const route = getRouteApi('/shell/clusters/$name');

/** A heartbeat sends no event: only by reading again is it known that a quiet cluster was heard of. */
const HEARTBEAT_MS = 30_000;

const Labels = ({ cluster }: { readonly cluster: ClusterView }) => (
  <>
    <ConnectionLabel connection={cluster.connection} />
    {cluster.connection === 'Connected' ? <SyncLabel sync={syncStateOf(cluster)} /> : null}
  </>
);

const Body = ({ cluster }: { readonly cluster: ClusterView }) => (
  <Stack hasGutter>
    {cluster.connection === 'Disconnected' ? (
      <StackItem>
        <StaleBanner since={cluster.lastSeen}>
          Not connected: everything below is what was last known. Its locks hold without the hub.
        </StaleBanner>
      </StackItem>
    ) : null}
    {cluster.connection === 'NeverSeen' ? (
      <StackItem>
        <NeverSeen cluster={cluster} />
      </StackItem>
    ) : null}
    <Concerns cluster={cluster} />
    <StackItem isFilled>
      <ClusterTabs cluster={cluster} />
    </StackItem>
  </Stack>
);

export const ClusterPage = () => {
  const { name } = route.useParams();
  const cluster = useQuery({ ...clusterQuery(name), refetchInterval: HEARTBEAT_MS });
  return (
    <>
      <PageHeader
        title={name}
        crumbs={[{ to: '/clusters', text: 'Clusters' }]}
        labels={cluster.data === undefined ? null : <Labels cluster={cluster.data} />}
        description={cluster.data === undefined ? undefined : cluster.data.regions.join(', ') || 'Not registered in Git'}
      />
      <PageSection hasBodyWrapper={false} isFilled>
        <QueryView query={cluster} what="the cluster" lines={8}>
          {(view) => <Body cluster={view} />}
        </QueryView>
      </PageSection>
    </>
  );
};
