import { PageSection } from '@patternfly/react-core';
import { useQuery } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { commitQuery } from '../../api/queries.ts';
import { PageHeader } from '../../components/page-header.tsx';
import { QueryView } from '../../components/query-view.tsx';
import { RelativeTime } from '../../components/relative-time.tsx';

const route = getRouteApi('/shell/activity/$revision');

export const CommitPage = () => {
  const { revision } = route.useParams();
  const activity = useQuery(commitQuery(revision));
  return (
    <>
      <PageHeader title={`Commit ${revision.slice(0, 8)}`} crumbs={[{ to: '/activity', text: 'Activity' }]} />
      <PageSection hasBodyWrapper={false}>
        <QueryView query={activity} what="the commit">
          {({ commit, noticed, clusters }) => (
            <p>
              {commit.subject} by {commit.author}, noticed <RelativeTime time={noticed} />: proven in {clusters.proven} of {clusters.total}{' '}
              clusters
            </p>
          )}
        </QueryView>
      </PageSection>
    </>
  );
};
