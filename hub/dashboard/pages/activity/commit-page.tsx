import './activity.css';
import type { CommitActivity } from '@fso/shared/api';
import { PageSection, Stack, StackItem } from '@patternfly/react-core';
import { useQuery } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { commitQuery } from '../../api/queries.ts';
import { QueryView } from '../../components/empty-states.tsx';
import { PageHeader } from '../../components/page-header.tsx';
import { CommitStateLabel, VerificationLabel } from '../../components/state-label.tsx';
import { RelativeTime } from '../../components/text.tsx';
import { ClusterWays } from './cluster-ways.tsx';
import { CommitOutcome } from './commit-outcome.tsx';
import { PolicyChangesCard } from './policy-changes-card.tsx';
import { StepTimeline } from './step-timeline.tsx';

const route = getRouteApi('/shell/activity/$revision');

const Labels = ({ activity: { state, verification } }: { readonly activity: CommitActivity }) => (
  <>
    <CommitStateLabel state={state} />
    <VerificationLabel verification={verification} />
  </>
);

const Description = ({ activity: { commit, noticed } }: { readonly activity: CommitActivity }) => (
  <>
    {commit.author}, committed <RelativeTime time={commit.time} />, noticed by the hub <RelativeTime time={noticed} />
  </>
);

const Body = ({ activity }: { readonly activity: CommitActivity }) => (
  <Stack hasGutter>
    <CommitOutcome activity={activity} />
    <StackItem>
      <StepTimeline activity={activity} />
    </StackItem>
    {activity.state === 'rejected' ? null : (
      <>
        <StackItem>
          <PolicyChangesCard activity={activity} />
        </StackItem>
        <StackItem isFilled>
          <ClusterWays activity={activity} />
        </StackItem>
      </>
    )}
  </Stack>
);

export const CommitPage = () => {
  const { revision } = route.useParams();
  const activity = useQuery(commitQuery(revision));
  return (
    <>
      <PageHeader
        title={activity.data?.commit.subject ?? `Commit ${revision.slice(0, 8)}`}
        crumbs={[{ to: '/activity', text: 'Activity' }]}
        labels={activity.data === undefined ? null : <Labels activity={activity.data} />}
        description={activity.data === undefined ? undefined : <Description activity={activity.data} />}
      />
      <PageSection hasBodyWrapper={false} isFilled>
        <QueryView query={activity} what="the commit" lines={8}>
          {(data) => <Body activity={data} />}
        </QueryView>
      </PageSection>
    </>
  );
};
