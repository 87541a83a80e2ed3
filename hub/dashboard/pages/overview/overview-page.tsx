import { Card, CardBody, CardTitle, Gallery, PageSection } from '@patternfly/react-core';
import { useQuery } from '@tanstack/react-query';
import { statusQuery } from '../../api/queries.ts';
import { PageHeader } from '../../components/page-header.tsx';
import { QueryView } from '../../components/query-view.tsx';
import { RelativeTime } from '../../components/relative-time.tsx';
import { RevisionLink } from '../../components/revision-link.tsx';

export const OverviewPage = () => {
  const status = useQuery(statusQuery);
  return (
    <>
      <PageHeader title="Overview" description="Is every cluster at the commit, and what violates?" />
      <PageSection hasBodyWrapper={false}>
        <QueryView query={status} what="the status">
          {({ policies, clusters, violations, source }) => (
            <Gallery hasGutter>
              <Card>
                <CardTitle component="h2">Policies</CardTitle>
                <CardBody>
                  {policies.active} of {policies.total} active
                </CardBody>
              </Card>
              <Card>
                <CardTitle component="h2">Clusters</CardTitle>
                <CardBody>
                  {clusters.connected} of {clusters.total} connected
                </CardBody>
              </Card>
              <Card>
                <CardTitle component="h2">Violations</CardTitle>
                <CardBody>{violations}</CardBody>
              </Card>
              <Card>
                <CardTitle component="h2">Commit in force</CardTitle>
                <CardBody>
                  <RevisionLink revision={source.revision?.revision} /> <RelativeTime time={source.revision?.time} />
                </CardBody>
              </Card>
            </Gallery>
          )}
        </QueryView>
      </PageSection>
    </>
  );
};
