import type { RegionView } from '@fso/shared/api';
import { useQuery } from '@tanstack/react-query';
import { useCallback } from 'react';
import { regionsQuery } from '../api/queries.ts';
import { regionText } from '../lib/region-text.ts';

/** The row of a region in a cluster; without a cluster, its only row. */
const rowOf = (rows: readonly RegionView[], region: string, cluster: string | undefined): RegionView | undefined => {
  const [first, ...others] = rows.filter((row) => row.region === region && (cluster === undefined || row.clusters.includes(cluster)));
  return others.length === 0 ? first : undefined;
};

/**
 * Reads where regions are. The function returns `Ireland (aws/eu-west-1)`, and the name alone where
 * the hub does not know it, or knows several places by that name.
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
