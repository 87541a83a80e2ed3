import { useQuery } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { useCallback, useMemo, useState } from 'react';
import { regionsQuery } from '../../api/queries.ts';
import { Empty, QueryView } from '../../components/empty-states.tsx';
import { SectionCard } from '../../components/text.tsx';
import { count } from '../../lib/format.ts';
import type { Target } from '../../map/map-option.ts';
import { type ConnectionOf, toMapRegions } from '../../map/map-regions.ts';
import { RegionTable } from '../../map/region-table.tsx';
import { WorldMap } from '../../map/world-map.tsx';

/** Leads from a marker to what it stands for. */
const useFollow = (): ((target: Target) => void) => {
  const navigate = useNavigate();
  return useCallback(
    ({ region, clusters, state }) => {
      const [name] = clusters;
      if (clusters.length === 1 && name !== undefined) void navigate({ to: '/clusters/$name', params: { name } });
      else if (clusters.length > 1 || state === 'inUse') void navigate({ to: '/clusters', search: { region } });
      else if (state === 'violated') void navigate({ to: '/compliance', search: { region } });
      else void navigate({ to: '/policies', search: { region } });
    },
    [navigate],
  );
};

export const RegionsCard = ({ connectionOf }: { readonly connectionOf: ConnectionOf }) => {
  const query = useQuery(regionsQuery);
  const items = query.data?.items;
  const regions = useMemo(() => toMapRegions(items ?? []), [items]);
  const [pointed, setPointed] = useState<string>();
  const onFollow = useFollow();
  return (
    <SectionCard title="Regions">
      <QueryView query={query} what="the regions" lines={8}>
        {({ nodesWithoutRegion }) =>
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
              </div>
            </div>
          )
        }
      </QueryView>
    </SectionCard>
  );
};
