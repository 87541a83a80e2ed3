import './overview.css';
import type { StatusView } from '@fso/shared/api';
import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { useCallback } from 'react';
import { oldestOf, unconnectedQuery, useConnections } from '../../api/connections.ts';
import { clustersQuery, statusQuery } from '../../api/queries.ts';
import { QueryView } from '../../components/empty-states.tsx';
import { Page } from '../../components/page-header.tsx';
import { ChangesCard } from './changes-card.tsx';
import { type ClusterAges, ClustersCard, PoliciesCard } from './count-cards.tsx';
import { IssuesCard } from './issues-card.tsx';
import { PoliciesByRegionCard } from './policies-by-region-card.tsx';
import { RegionsCard } from './regions-card.tsx';
import { SourceCard } from './source-card.tsx';
import { ViolationsCard } from './violations-card.tsx';

/** A heartbeat sends no event: only another read shows that a quiet cluster is still there. */
const HEARTBEAT_MS = 30_000;

/** Reads the age of what the hub knows of its clusters. */
const useClusterAges = (): ClusterAges => {
  const { data: connected = null } = useInfiniteQuery({
    ...clustersQuery({ connection: 'Connected', sort: 'seen', limit: 1 }),
    refetchInterval: HEARTBEAT_MS,
    select: ({ pages }) => pages[0]?.items[0]?.lastSeen ?? null,
  });
  const { data: stale = null } = useQuery({ ...unconnectedQuery, select: oldestOf });
  return { connected, stale };
};

const Cards = ({ status }: { readonly status: StatusView }) => {
  const ages = useClusterAges();
  const connectionOf = useConnections();
  const stateOf = useCallback((cluster: string) => connectionOf(cluster)?.connection, [connectionOf]);
  return (
    <div className="fso-overview">
      <PoliciesCard policies={status.policies} />
      <ClustersCard clusters={status.clusters} ages={ages} />
      <ViolationsCard status={status} />
      <div className="fso-overview-wide">
        <IssuesCard />
      </div>
      <div className="fso-overview-wide">
        <RegionsCard connectionOf={stateOf} />
      </div>
      <div className="fso-overview-wide">
        <ChangesCard />
      </div>
      <div className="fso-overview-two">
        <SourceCard source={status.source} />
      </div>
      <PoliciesByRegionCard />
    </div>
  );
};

export const OverviewPage = () => {
  const status = useQuery(statusQuery);
  return (
    <Page title="Overview" description="Is every policy enforced in every cluster, and which workloads violate one?">
      <QueryView query={status} what="the status" lines={10}>
        {(data) => <Cards status={data} />}
      </QueryView>
    </Page>
  );
};
