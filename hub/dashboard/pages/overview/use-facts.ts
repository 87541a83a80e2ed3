import type { ClusterView, ConnectionState, Page } from '@fso/shared/api';
import { type InfiniteData, useInfiniteQuery } from '@tanstack/react-query';
import { useMemo } from 'react';
import { clustersQuery } from '../../api/queries.ts';
import type { ConnectionOf } from '../../map/map-regions.ts';
import type { FleetFacts } from './attention.ts';

/** Certificates that are looked at: if more end at once, these stand for them. */
const CERTIFICATES = 100;

interface FirstClusters {
  readonly items: readonly ClusterView[];
  /** Whether these are all that there are. */
  readonly isComplete: boolean;
}

const NONE: FirstClusters = { items: [], isComplete: false };

const firstOf = (data: InfiniteData<Page<ClusterView>> | undefined): FirstClusters => {
  const page = data?.pages[0];
  return page === undefined ? NONE : { items: page.items, isComplete: page.next === null };
};

const useFirst = (params: Parameters<typeof clustersQuery>[0]): FirstClusters => {
  const { data } = useInfiniteQuery(clustersQuery(params));
  return useMemo(() => firstOf(data), [data]);
};

export interface ClusterAges {
  /** When the cluster of this state that is silent for longest was last heard of. */
  readonly connected: string | null;
  readonly stale: string | null;
}

export interface OverviewFacts extends Omit<FleetFacts, 'status'> {
  readonly ages: ClusterAges;
  readonly connectionOf: ConnectionOf;
}

/** undefined where neither list says so and one of them does not name all of its clusters. */
const connectionsOf = (stale: FirstClusters, neverSeen: FirstClusters): ConnectionOf => {
  const known = new Map<string, ConnectionState>();
  for (const { name, connection } of [...stale.items, ...neverSeen.items]) known.set(name, connection);
  const others: ConnectionState | undefined = stale.isComplete && neverSeen.isComplete ? 'Connected' : undefined;
  return (cluster) => known.get(cluster) ?? others;
};

/** What the hub's counts do not say: which clusters, and how old what is known of them is. */
export const useFacts = (): OverviewFacts => {
  const oldestConnected = useFirst({ connection: 'Connected', sort: 'seen', limit: 1 });
  const stale = useFirst({ connection: 'Disconnected', sort: 'seen' });
  const neverSeen = useFirst({ connection: 'NeverSeen' });
  const behind = useFirst({ connection: 'Connected', inSync: false });
  const tampered = useFirst({ tampered: true, limit: 10 });
  const certificates = useFirst({ sort: 'certificate', limit: CERTIFICATES });
  const connectionOf = useMemo(() => connectionsOf(stale, neverSeen), [stale, neverSeen]);
  const oldestStale = stale.items[0]?.lastSeen ?? null;
  return {
    behind: behind.items,
    tampered: tampered.items,
    certificates: certificates.items,
    oldestStale,
    ages: { connected: oldestConnected.items[0]?.lastSeen ?? null, stale: oldestStale },
    connectionOf,
  };
};
