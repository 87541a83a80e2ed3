import './overview.css';
import type { RegionPage, StatusView } from '@fso/shared/api';
import { count } from '@fso/shared/text';
import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { useCallback, useMemo, useState } from 'react';
import { oldestOf, unconnectedQuery, useConnections } from '../../api/connections.ts';
import { clustersQuery, regionsQuery, statusQuery } from '../../api/queries.ts';
import { Empty, QueryView } from '../../components/empty-states.tsx';
import { Page } from '../../components/page-header.tsx';
import { SectionCard } from '../../components/text.tsx';
import { clusterSearch } from '../../lib/region-text.ts';
import type { Target } from '../../map/map-option.ts';
import { type ConnectionOf, toMapRegions } from '../../map/map-regions.ts';
import { RegionTable } from '../../map/region-table.tsx';
import { WorldMap } from '../../map/world-map.tsx';
import { ChangesCard } from './changes-card.tsx';
import { type ClusterAges, ClustersCard, PoliciesCard } from './count-cards.tsx';
import { IssuesCard } from './issues-card.tsx';
import { PoliciesByRegionCard } from './policies-by-region-card.tsx';
import { SourceCard } from './source-card.tsx';
import { ViolationsCard } from './violations-card.tsx';

/** Returns a function that opens the page of a marker. */
const useFollow = (): ((target: Target) => void) => {
  const navigate = useNavigate();
  return useCallback(
    ({ region, provider, clusters, state }) => {
      const [name] = clusters;
      if (clusters.length === 1 && name !== undefined) void navigate({ to: '/clusters/$name', params: { name } });
      else if (clusters.length > 1 || state === 'inUse') void navigate({ to: '/clusters', search: clusterSearch({ region, provider }) });
      else if (state === 'violated') void navigate({ to: '/compliance', search: { region } });
      else void navigate({ to: '/policies', search: { region } });
    },
    [navigate],
  );
};

/** Names the catalogue that the regions are located with. */
const CatalogNote = ({ version, source }: RegionPage['catalog']) => (
  <p className="fso-muted">
    {source === 'repository'
      ? `Places by the repository’s catalogue of regions, version ${version}.`
      : `The repository has no catalogue of regions: places by the data of this release, version ${version}, which decides nothing.`}
  </p>
);

const RegionsCard = ({ connectionOf }: { readonly connectionOf: ConnectionOf }) => {
  const query = useQuery(regionsQuery);
  const items = query.data?.items;
  const regions = useMemo(() => toMapRegions(items ?? []), [items]);
  const [pointed, setPointed] = useState<string>();
  const onFollow = useFollow();
  return (
    <SectionCard title="Regions">
      <QueryView query={query} what="the regions" lines={8}>
        {({ nodesWithoutRegion, catalog }) =>
          regions.length === 0 ? (
            <Empty title="No regions">No policy allows a region, and no cluster is in one.</Empty>
          ) : (
            <div className="fso-regions-layout">
              <WorldMap regions={regions} connectionOf={connectionOf} pointed={pointed} onFollow={onFollow} />
              <div>
                <RegionTable regions={regions} onPoint={setPointed} />
                {nodesWithoutRegion === 0 ? null : (
                  <p className="fso-muted">
                    {count(nodesWithoutRegion, 'node has', 'nodes have')} no region label: governed pods cannot run there.
                  </p>
                )}
                <CatalogNote {...catalog} />
              </div>
            </div>
          )
        }
      </QueryView>
    </SectionCard>
  );
};

/** Interval of reads: no event announces a heartbeat. */
const HEARTBEAT_MS = 30_000;

/** Reads when the hub last saw its clusters. */
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
