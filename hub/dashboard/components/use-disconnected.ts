import { useInfiniteQuery } from '@tanstack/react-query';
import { clustersQuery } from '../api/queries.ts';
import { rowsOf } from './rows-of.ts';

/** Clusters that are not connected, and when the hub last heard of each; undefined: not known yet. */
export const useDisconnected = (): ReadonlyMap<string, string | null> | undefined => {
  const { data, isSuccess } = useInfiniteQuery(clustersQuery({ connection: 'Disconnected', limit: 500 }));
  return isSuccess ? new Map(rowsOf(data).map(({ name, lastSeen }) => [name, lastSeen])) : undefined;
};
