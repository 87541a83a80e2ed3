import type { ClusterView, ConnectionState } from '@fso/shared/api';
import { queryOptions, useQuery } from '@tanstack/react-query';
import { useMemo } from 'react';
import { getAll } from './client.ts';
import { keys } from './keys.ts';

/** Connection of a cluster that is not connected, and when the hub last saw it. */
export interface Unconnected {
  readonly connection: Exclude<ConnectionState, 'Connected'>;
  /** RFC 3339; null if never. */
  readonly lastSeen: string | null;
}

const readAll = async (connection: Unconnected['connection'], signal: AbortSignal): Promise<[string, Unconnected][]> => {
  const clusters = await getAll<ClusterView>('/api/v1/clusters', { connection }, signal);
  return clusters.map(({ name, lastSeen }) => [name, { connection, lastSeen }]);
};

/** All clusters that are not connected, by name. */
export const unconnectedQuery = queryOptions({
  queryKey: keys.clusters.list({ unconnected: true }),
  queryFn: async ({ signal }): Promise<ReadonlyMap<string, Unconnected>> =>
    new Map([...(await readAll('Disconnected', signal)), ...(await readAll('NeverSeen', signal))]),
});

/** Connection of a cluster to the hub, with when it was last seen. */
export type ClusterConnection = Unconnected | { readonly connection: 'Connected' };
/** Lookup of a cluster's connection; undefined if unknown. */
export type ConnectionOfCluster = (cluster: string) => ClusterConnection | undefined;

/** @param isCurrent whether clusters that are not in `unconnected` are connected */
export const connectionsFrom =
  (unconnected: ReadonlyMap<string, Unconnected> | undefined, isCurrent: boolean): ConnectionOfCluster =>
  (cluster) =>
    unconnected?.get(cluster) ?? (isCurrent && unconnected !== undefined ? { connection: 'Connected' } : undefined);

/** Returns the lookup of connections. All are unknown until they have been read. */
export const useConnections = (): ConnectionOfCluster => {
  const { data, isSuccess } = useQuery(unconnectedQuery);
  return useMemo(() => connectionsFrom(data, isSuccess), [data, isSuccess]);
};

/** @returns time at which the least recently seen cluster was last seen */
export const oldestOf = (unconnected: ReadonlyMap<string, Unconnected>): string | null => {
  const times = [...unconnected.values()].flatMap(({ lastSeen }) => lastSeen ?? []);
  return times.toSorted((a, b) => Date.parse(a) - Date.parse(b))[0] ?? null;
};
