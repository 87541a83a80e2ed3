import type { PolicyView } from '@fso/shared/api';
import { useQuery } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { useCallback, useMemo, useState } from 'react';
import { regionsQuery } from '../../../api/queries.ts';
import { QueryView } from '../../../components/empty-states.tsx';
import type { Target } from '../../../map/map-option.ts';
import { toMapRegions } from '../../../map/map-regions.ts';
import { RegionTable } from '../../../map/region-table.tsx';
import { WorldMap } from '../../../map/world-map.tsx';
import { connectionsOf, policyRegionViews } from './policy-map.ts';

/** A marker of clusters leads to them, one of a region to all that is allowed there. */
const useFollow = (): ((target: Target) => void) => {
  const navigate = useNavigate();
  return useCallback(
    ({ region, clusters }) => {
      const [name] = clusters;
      if (clusters.length === 1 && name !== undefined) void navigate({ to: '/clusters/$name', params: { name } });
      else if (clusters.length > 1) void navigate({ to: '/clusters', search: { region } });
      else void navigate({ to: '/policies', search: { region } });
    },
    [navigate],
  );
};

/**
 * The regions that a policy allows, and those in which it is violated: on the map, and as a table.
 */
export const PolicyRegions = ({ policy }: { readonly policy: PolicyView }) => {
  const { effectiveRegions, clusters } = policy;
  const query = useQuery(regionsQuery);
  const items = query.data?.items;
  const regions = useMemo(
    () => toMapRegions(policyRegionViews({ effectiveRegions, clusters }, items ?? [])),
    [effectiveRegions, clusters, items],
  );
  const allowed = useMemo(() => new Set(effectiveRegions), [effectiveRegions]);
  const connectionOf = useMemo(() => connectionsOf(clusters), [clusters]);
  const [pointed, setPointed] = useState<string>();
  const onFollow = useFollow();
  return (
    <QueryView query={query} what="the regions" lines={8}>
      {() => (
        <div className="fso-policy-regions">
          <WorldMap regions={regions} highlighted={allowed} connectionOf={connectionOf} pointed={pointed} onFollow={onFollow} isNear />
          <div>
            <RegionTable regions={regions} onPoint={setPointed} />
            <p className="fso-muted">Only the clusters and violations of this policy; agents list the first 20 violations per cluster.</p>
          </div>
        </div>
      )}
    </QueryView>
  );
};
