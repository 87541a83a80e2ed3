import type { StatusView, StreamEvent } from '@fso/shared/api';
import type { InfiniteData, Query, QueryClient } from '@tanstack/react-query';
import { keys } from '../../api/keys.ts';
import type { Key } from './invalidation.ts';

/** A list of which more pages were read is read again when the reader asks, not with each change. */
const LIVE_PAGES = 3;

const isLong = ({ state }: Query): boolean => ((state.data as Partial<InfiniteData<unknown>> | undefined)?.pages?.length ?? 0) > LIVE_PAGES;

/** Writes what an event brings whole. */
export const writeEvent = (client: QueryClient, event: StreamEvent): void => {
  if (event.event === 'status') client.setQueryData(keys.status, event.data);
  if (event.event === 'source') client.setQueryData<StatusView>(keys.status, (status) => status && { ...status, source: event.data });
  // Only where it is shown: five hundred clusters are not kept for nobody.
  if (event.event === 'cluster' && client.getQueryState(keys.clusters.one(event.data.name)) !== undefined)
    client.setQueryData(keys.clusters.one(event.data.name), event.data);
};

/** Marks what the keys name as old, and reads again what is on screen. Resolves when that is read. */
export const readAgain = async (client: QueryClient, old: readonly Key[]): Promise<void> => {
  await Promise.all(
    old.flatMap((queryKey) => [
      client.invalidateQueries({ queryKey, predicate: isLong, refetchType: 'none' }),
      client.invalidateQueries({ queryKey, predicate: (query) => !isLong(query) }),
    ]),
  );
};

/** What failed while the hub was away. */
export const readFailed = (client: QueryClient): Promise<void> =>
  client.refetchQueries({ type: 'active', predicate: ({ state }) => state.status === 'error' || state.fetchFailureCount > 0 });
