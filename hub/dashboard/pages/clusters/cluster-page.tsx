import { PageSection } from '@patternfly/react-core';
import { useQuery } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { clusterQuery } from '../../api/queries.ts';
import { PageHeader } from '../../components/page-header.tsx';
import { QueryView } from '../../components/query-view.tsx';
import { RelativeTime } from '../../components/relative-time.tsx';
import { RevisionLink } from '../../components/revision-link.tsx';
import { ConnectionLabel } from '../../components/state-label.tsx';
import { StaleBanner } from '../../components/states.tsx';

const route = getRouteApi('/shell/clusters/$name');

export const ClusterPage = () => {
  const { name } = route.useParams();
  const cluster = useQuery(clusterQuery(name));
  return (
    <>
      <PageHeader
        title={name}
        crumbs={[{ to: '/clusters', text: 'Clusters' }]}
        labels={cluster.data === undefined ? null : <ConnectionLabel connection={cluster.data.connection} />}
      />
      <PageSection hasBodyWrapper={false}>
        <QueryView query={cluster} what="the cluster">
          {({ connection, lastSeen, revision, regions }) => (
            <>
              {connection === 'Connected' ? null : <StaleBanner since={lastSeen}>The cluster is not connected.</StaleBanner>}
              <p>Regions: {regions.join(', ') || 'none'}</p>
              <p>
                Revision: <RevisionLink revision={revision} />, last seen <RelativeTime time={lastSeen} />
              </p>
            </>
          )}
        </QueryView>
      </PageSection>
    </>
  );
};
