import '../clusters.css';
import type { ClusterView } from '@fso/shared/api';
import { Alert, ClipboardCopy, PageSection, Stack, StackItem } from '@patternfly/react-core';
import { useQuery } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { clusterQuery } from '../../../api/queries.ts';
import { QueryView, StaleBanner } from '../../../components/empty-states.tsx';
import { PageHeader } from '../../../components/page-header.tsx';
import { ConnectionLabel } from '../../../components/state-label.tsx';
import { ProblemList, RelativeTime } from '../../../components/text.tsx';
import { type ClusterIssue, listClusterIssues } from '../../../issues/cluster-issues.ts';
import { formatAddCommand } from '../../../lib/commands.ts';
import { syncStateOf } from '../../../lib/health.ts';
import { useNow } from '../../../lib/time.ts';
import { SyncLabel } from '../cluster-values.tsx';
import { ClusterTabs } from './cluster-tabs.tsx';

/** A cluster that is registered and whose agent was never heard of: how to let it in. */
const NeverSeen = ({ cluster: { name, regions } }: { readonly cluster: ClusterView }) => (
  <Alert isInline variant="info" title="Its agent has never connected: nothing is known of what is enforced there" component="h2">
    <p>Start an agent in the cluster with an enrolment token. An administrator makes one below, or with</p>
    <ClipboardCopy isReadOnly hoverTip="Copy" clickTip="Copied" textAriaLabel="Command that lets the cluster in">
      {formatAddCommand(name, regions)}
    </ClipboardCopy>
  </Alert>
);

const IssueAlert = ({ concern, cluster }: { readonly concern: ClusterIssue; readonly cluster: ClusterView }) => (
  <Alert isInline variant={concern.level} title={concern.title} component="h2">
    {concern.detail === '' ? null : <p className="fso-message">{concern.detail}</p>}
    {concern.kind === 'refusal' ? <ProblemList problems={cluster.nack?.reasons ?? []} /> : null}
    {concern.since === null ? null : (
      <p>
        Since <RelativeTime time={concern.since} />
      </p>
    )}
  </Alert>
);

/** What somebody should look at, worst first; nothing where there is nothing. */
const Issues = ({ cluster }: { readonly cluster: ClusterView }) => {
  const concerns = listClusterIssues(cluster, useNow(60_000));
  return concerns.map((concern) => (
    <StackItem key={concern.kind}>
      <IssueAlert concern={concern} cluster={cluster} />
    </StackItem>
  ));
};

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
    <Issues cluster={cluster} />
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
