import './activity.css';
import type { CommitActivity } from '@fso/shared/api';
import { shortRevision } from '@fso/shared/text';
import { Label, LabelGroup, Stack, StackItem, Title } from '@patternfly/react-core';
import { useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { commitQuery } from '../../api/queries.ts';
import { QueryView } from '../../components/empty-states.tsx';
import { Page } from '../../components/page-header.tsx';
import { CommitStateLabel, VerificationLabel } from '../../components/state-label.tsx';
import { RelativeTime } from '../../components/text.tsx';
import { formatChanges, formatNumber } from '../../lib/format.ts';
import { ClusterProgressTable } from './cluster-progress-table.tsx';
import { CommitOutcome } from './commit-outcome.tsx';
import { StepTimeline } from './step-timeline.tsx';

const SHOWN = 12;

interface PolicyNamesProps {
  readonly title: string;
  readonly names: readonly string[];
  readonly total: number;
  /** Whether the policy has a page. Removed ones have none. */
  readonly isLinked: boolean;
}

const PolicyLabel = ({ name, isLinked }: { readonly name: string; readonly isLinked: boolean }) => (
  <Label
    variant="outline"
    isCompact
    {...(isLinked
      ? {
          render: ({ className, content }) => (
            <Link to="/policies/$" params={{ _splat: name }} className={className}>
              {content}
            </Link>
          ),
        }
      : {})}
  >
    {name}
  </Label>
);

const PolicyNames = ({ title, names, total, isLinked }: PolicyNamesProps) =>
  names.length === 0 ? null : (
    <LabelGroup categoryName={title} numLabels={SHOWN} className="fso-changes">
      {[
        ...names.map((name) => <PolicyLabel key={name} name={name} isLinked={isLinked} />),
        ...(total > names.length ? [<span key="">and {formatNumber(total - names.length)} more</span>] : []),
      ]}
    </LabelGroup>
  );

/** Policies that a commit changed. */
const PolicyChangesCard = ({ activity: { changes, policies } }: { readonly activity: CommitActivity }) => {
  const count = policies.added + policies.changed + policies.removed;
  if (count === 0) return <p className="fso-muted">This commit changes no policy.</p>;
  return (
    <>
      <Title headingLevel="h2" size="md">
        Policies: {formatChanges(policies)}
      </Title>
      <PolicyNames title="Added" names={changes.added} total={policies.added} isLinked />
      <PolicyNames title="Changed" names={changes.changed} total={policies.changed} isLinked />
      <PolicyNames title="Removed" names={changes.removed} total={policies.removed} isLinked={false} />
    </>
  );
};

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
          <ClusterProgressTable activity={activity} />
        </StackItem>
      </>
    )}
  </Stack>
);

export const CommitPage = () => {
  const { revision } = route.useParams();
  const activity = useQuery(commitQuery(revision));
  return (
    <Page
      title={activity.data?.commit.subject ?? `Commit ${shortRevision(revision)}`}
      crumbs={[{ to: '/activity', text: 'Activity' }]}
      labels={activity.data === undefined ? null : <Labels activity={activity.data} />}
      description={activity.data === undefined ? undefined : <Description activity={activity.data} />}
    >
      <QueryView query={activity} what="the commit" lines={8}>
        {(data) => <Body activity={data} />}
      </QueryView>
    </Page>
  );
};
