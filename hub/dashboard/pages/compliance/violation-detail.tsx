import type { PolicyView, ViolationView } from '@fso/shared/api';
import { Alert, ClipboardCopy, Content, List, ListItem } from '@patternfly/react-core';
import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { type ClusterConnection, useConnections } from '../../api/connections.ts';
import { type FindingRef, findingKey, policyQuery, violationsQuery } from '../../api/queries.ts';
import { Empty, ErrorState, Loading, StaleBanner } from '../../components/empty-states.tsx';
import { PolicyLink } from '../../components/links.tsx';
import { RegionName, useRegionText } from '../../components/region-name.tsx';
import { ClusterName } from '../../components/stale-state.tsx';
import { ActionLabel } from '../../components/state-label.tsx';
import { Facts, Heading, RelativeTime } from '../../components/text.tsx';
import { listInspectCommands } from '../../lib/commands.ts';
import { rowsOf } from '../../lib/paged-list.ts';
import { findRemedy } from './remedy.ts';

/**
 * Returns the regions that the policy allows in a cluster: as its agent reports them, else as the
 * hub computes them.
 */
const regionsIn = (policy: PolicyView, cluster: string): readonly string[] =>
  policy.clusters.find((row) => row.cluster === cluster)?.report?.effectiveRegions ?? policy.effectiveRegions;

/** Violation as currently reported, also if the list beside it does not contain it. */
export const ViolationDetail = ({ of }: { readonly of: FindingRef }) => {
  const { cluster, policy, namespace, kind, name } = of;
  const query = useInfiniteQuery(violationsQuery({ cluster, policy, namespace, kind, name }));
  const [violation] = rowsOf(query.data);
  if (violation !== undefined) return <ViolationFacts violation={violation} />;
  if (query.isError) return <ErrorState error={query.error} what="the violation" onRetry={() => void query.refetch()} />;
  return query.isSuccess ? (
    <Empty title="No longer a violation">
      It was fixed, the pod is gone, or it is not among the first 20 of its policy. The agent may also be away: then only those that it
      listed last are known.
    </Empty>
  ) : (
    <Loading what="Loading the violation" />
  );
};

const Staleness = ({ connection }: { readonly connection: ClusterConnection | undefined }) => {
  if (connection === undefined)
    return <StaleBanner since={null}>The connection of the cluster is unknown, so this may be old.</StaleBanner>;
  return connection.connection === 'Connected' ? null : (
    <StaleBanner since={connection.lastSeen}>The cluster is not connected: this is the last known state.</StaleBanner>
  );
};

const ViolationFacts = ({ violation }: { readonly violation: ViolationView }) => {
  const { cluster, policy, node, region, reason, enforcementAction, since } = violation;
  const connectionOf = useConnections();
  return (
    <div className="fso-stack">
      <Staleness connection={connectionOf(cluster)} />
      <Facts
        facts={{
          Reason: reason,
          Cluster: <ClusterName cluster={cluster} connectionOf={connectionOf} />,
          Policy: (
            <>
              <PolicyLink policy={policy} /> <ActionLabel action={enforcementAction} />
            </>
          ),
          Node: node ?? 'none yet',
          Region: region === undefined ? 'none' : <RegionName region={region} cluster={cluster} />,
          Since: <RelativeTime time={since} />,
        }}
      />
      <Mending violation={violation} />
      <Heading>Look at it</Heading>
      <Content component="small" className="fso-muted">
        With access to cluster {cluster}:
      </Content>
      {listInspectCommands(violation).map(({ what, command }) => (
        <div key={what}>
          <Content component="small">{what}</Content>
          <ClipboardCopy isReadOnly isCode hoverTip="Copy" clickTip="Copied" textAriaLabel={`Command: ${what}`}>
            {command}
          </ClipboardCopy>
        </div>
      ))}
    </div>
  );
};

const Mending = ({ violation }: { readonly violation: ViolationView }) => {
  const { policy, cluster, namespace } = violation;
  const query = useQuery(policyQuery(policy));
  const textOf = useRegionText();
  if (query.data === undefined) {
    if (!query.isError) return <Loading what="Loading the allowed regions" lines={3} />;
    return <Alert isInline isPlain variant="warning" title="The allowed regions could not be read" component="p" />;
  }
  const regions = regionsIn(query.data, cluster);
  const { situation, steps } = findRemedy(violation, regions);
  return (
    <>
      <Facts facts={{ 'Allowed regions': regions.map((region) => textOf(region, cluster)).join(', ') || 'none' }} />
      <Heading>How to fix it</Heading>
      <Content component="p">{situation}</Content>
      <List component="ol">
        {steps.map((step) => (
          <ListItem key={step}>{step}</ListItem>
        ))}
      </List>
      <Link to="/compliance/checker" search={{ by: 'namespace', cluster, namespace, picked: findingKey(violation) }}>
        Check its manifest in the pod affinity checker
      </Link>
    </>
  );
};
