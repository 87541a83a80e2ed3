import type { RegionView } from '@fso/shared/api';
import { useQuery } from '@tanstack/react-query';
import { useCallback } from 'react';
import { regionsQuery } from '../api/queries.ts';
import { regionText } from '../lib/region-text.ts';

/** Finds the row of a region in a cluster; without a cluster, only if there is a single one. */
const rowOf = (rows: readonly RegionView[], region: string, cluster: string | undefined): RegionView | undefined => {
  const [first, ...others] = rows.filter((row) => row.region === region && (cluster === undefined || row.clusters.includes(cluster)));
  return others.length === 0 ? first : undefined;
};

/**
 * Returns a function that formats regions: `Ireland (aws/eu-west-1)`, or the name alone if the hub
 * does not know it or knows several places by it.
 */
export const useRegionText = (): ((region: string, cluster?: string) => string) => {
  const { data } = useQuery(regionsQuery);
  const rows = data?.items;
  return useCallback(
    (region, cluster) => {
      const row = rowOf(rows ?? [], region, cluster) ?? (cluster === undefined ? undefined : rowOf(rows ?? [], region, undefined));
      return row === undefined ? region : regionText(row);
    },
    [rows],
  );
};

/** Name of a region in a cluster, with its country. */
export const RegionName = ({ region, cluster }: { readonly region: string; readonly cluster?: string }) => {
  const textOf = useRegionText();
  return <>{textOf(region, cluster)}</>;
};
