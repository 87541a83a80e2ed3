import '../clusters.css';
import { ALERT_RULES, type AlertName, type ClusterView, type IssueGroup } from '@fso/shared/api';
import { Alert, Stack, StackItem } from '@patternfly/react-core';
import { useQuery } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { clusterQuery, issuesQuery } from '../../../api/queries.ts';
import { Copyable } from '../../../components/buttons.tsx';
import { QueryView, StaleBanner } from '../../../components/empty-states.tsx';
import { Page } from '../../../components/page-header.tsx';
import { useRegionText } from '../../../components/region-name.tsx';
import { SilenceButton } from '../../../components/silence/silence-button.tsx';
import { matcherOf } from '../../../components/silence/silence-draft.ts';
import { ConnectionLabel } from '../../../components/state-label.tsx';
import { RelativeTime, Sentence } from '../../../components/text.tsx';
import { formatAddCommand } from '../../../lib/commands.ts';
import { syncStateOf } from '../../../lib/health.ts';
import { SyncLabel } from '../cluster-values.tsx';
import { ClusterTabs } from './cluster-tabs.tsx';

/** Instructions to enrol a registered cluster whose agent has never connected. */
const NeverSeen = ({ cluster: { name, regions } }: { readonly cluster: ClusterView }) => (
  <Alert isInline variant="info" title="The agent of this cluster has never connected, so its state is unknown" component="h2">
    <p>Start an agent in the cluster with an enrolment token. An administrator creates one below, or with</p>
    <Copyable label="Command that adds the cluster" isCode={false}>
      {formatAddCommand(name, regions)}
    </Copyable>
  </Alert>
);

const NotObserved = ({ since, what }: NonNullable<ClusterView['notObserved']>) => (
  <Alert isInline variant="warning" title="Not observed: everything below is what the agent knew last" component="p">
    Since <RelativeTime time={since} />, out of date: {what.join(', ')}. The locks of the cluster hold without the agent.
  </Alert>
);

const VARIANTS = { critical: 'danger', warning: 'warning', info: 'info' } as const;

const IssueAlert = ({ group: { name, severity, issues, since } }: { readonly group: IssueGroup }) => (
  <Alert isInline variant={VARIANTS[severity]} title={ALERT_RULES[name].title} component="h2">
    {issues.map(({ problem }) => (
      <p key={problem} className="fso-message">
        {problem}
      </p>
    ))}
    <p>
      <Sentence text={`${ALERT_RULES[name].meaning} ${ALERT_RULES[name].remedy}`} />
    </p>
    {since === null ? null : (
      <p>
        Since <RelativeTime time={since} />
      </p>
    )}
  </Alert>
);

/** Alerts that the page shows as banners. */
const SHOWN_BY_BANNERS: ReadonlySet<AlertName> = new Set(['ClusterAway', 'ClusterNotObserved', 'ClusterNeverSeen']);

/** Issues of the cluster, worst first. Those of its policies are in its tabs. */
const Issues = ({ cluster }: { readonly cluster: string }) => {
  const { data } = useQuery(issuesQuery({ cluster }));
  return data?.items
    .filter(({ name, policies }) => policies === 0 && !SHOWN_BY_BANNERS.has(name))
    .map((group) => (
      <StackItem key={`${group.name} ${group.severity}`}>
        <IssueAlert group={group} />
      </StackItem>
    ));
};

const route = getRouteApi('/shell/clusters/$name');

/** Interval of reads: no event announces a heartbeat. */
const HEARTBEAT_MS = 30_000;

const Labels = ({ cluster }: { readonly cluster: ClusterView }) => (
  <>
    <ConnectionLabel connection={cluster.connection} notObserved={cluster.notObserved} />
    {cluster.connection === 'Connected' ? <SyncLabel sync={syncStateOf(cluster)} /> : null}
    <SilenceButton label="Silence alerts" size="sm" matchers={[matcherOf('cluster', cluster.name)]} />
  </>
);

const Body = ({ cluster }: { readonly cluster: ClusterView }) => (
  <Stack hasGutter>
    {cluster.connection === 'Disconnected' ? (
      <StackItem>
        <StaleBanner since={cluster.lastSeen}>
          Not connected: everything below is the last known state. The locks of the cluster hold without the hub.
        </StaleBanner>
      </StackItem>
    ) : null}
    {cluster.notObserved === null ? null : (
      <StackItem>
        <NotObserved {...cluster.notObserved} />
      </StackItem>
    )}
    {cluster.connection === 'NeverSeen' ? (
      <StackItem>
        <NeverSeen cluster={cluster} />
      </StackItem>
    ) : null}
    <Issues cluster={cluster.name} />
    <StackItem isFilled>
      <ClusterTabs cluster={cluster} />
    </StackItem>
  </Stack>
);

export const ClusterPage = () => {
  const { name } = route.useParams();
  const textOf = useRegionText();
  const cluster = useQuery({ ...clusterQuery(name), refetchInterval: HEARTBEAT_MS });
  return (
    <Page
      title={name}
      crumbs={[{ to: '/clusters', text: 'Clusters' }]}
      labels={cluster.data === undefined ? null : <Labels cluster={cluster.data} />}
      description={
        cluster.data === undefined
          ? undefined
          : cluster.data.regions.map((region) => textOf(region, name)).join(', ') || 'Not registered in Git'
      }
    >
      <QueryView query={cluster} what="the cluster" lines={8}>
        {(view) => <Body cluster={view} />}
      </QueryView>
    </Page>
  );
};
