import type { ClusterView, Page } from '@fso/shared/api';
import { type InfiniteData, useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { type ConnectionOfCluster, oldestOf, unconnectedQuery, useConnections } from '../../api/connections.ts';
import { auditVerificationQuery, clustersQuery, statusQuery, violationsQuery } from '../../api/queries.ts';
import { useScope } from '../../api/session.ts';
import { type ClusterSample, type FleetState, type Reading, readingOf } from '../../issues/fleet-issues.ts';

/** Certificates that are looked at: if more end at once, these stand for them. */
const CERTIFICATES = 100;
/** Clusters that are named where several are alike. */
const NAMED = 10;
/** A heartbeat sends no event: only another read shows that a quiet cluster is still there. */
const HEARTBEAT_MS = 30_000;
/** The audit log may be changed without the hub, so no event announces it. */
const AUDIT_MS = 60_000;

const NONE: ClusterSample = { items: [], total: 0 };

const pageOf = <T>(data: InfiniteData<Page<T>> | undefined): Page<T> | undefined => data?.pages[0];

const firstOf = (data: InfiniteData<Page<ClusterView>> | undefined): ClusterSample => pageOf(data) ?? NONE;

export interface ClusterAges {
  /** When the least recently seen cluster of this state was last seen. */
  readonly connected: string | null;
  readonly stale: string | null;
}

interface OverviewState extends Omit<FleetState, 'status'> {
  readonly ages: ClusterAges;
  readonly connectionOf: ConnectionOfCluster;
  readonly reading: Reading;
  /** Reads again what could not be read. */
  readonly retry: () => void;
}

/** Reads what the hub's counts leave out: which clusters are affected, and the age of their reports. */
export const useFleetState = (): OverviewState => {
  const status = useQuery(statusQuery);
  const oldestConnected = useInfiniteQuery({
    ...clustersQuery({ connection: 'Connected', sort: 'seen', limit: 1 }),
    refetchInterval: HEARTBEAT_MS,
  });
  const unconnected = useQuery(unconnectedQuery);
  const refusing = useInfiniteQuery(clustersQuery({ refusing: true, limit: NAMED }));
  const tampered = useInfiniteQuery(clustersQuery({ tampered: true, limit: NAMED }));
  const locksNotReady = useInfiniteQuery(clustersQuery({ locksReady: false, limit: NAMED }));
  const certificates = useInfiniteQuery(clustersQuery({ sort: 'certificate', limit: CERTIFICATES }));
  const denied = useInfiniteQuery(violationsQuery({ action: 'deny', limit: 1 }));
  // The audit log is of the whole hub.
  const isScoped = useScope() !== undefined;
  const audit = useQuery({ ...auditVerificationQuery, refetchInterval: AUDIT_MS, enabled: !isScoped });
  const connectionOf = useConnections();
  const queries = [
    status,
    oldestConnected,
    unconnected,
    refusing,
    tampered,
    locksNotReady,
    certificates,
    denied,
    ...(isScoped ? [] : [audit]),
  ];
  const oldestStale = unconnected.data === undefined ? null : oldestOf(unconnected.data);
  return {
    refusing: firstOf(refusing.data),
    tampered: firstOf(tampered.data),
    locksNotReady: firstOf(locksNotReady.data),
    certificates: firstOf(certificates.data),
    denied: pageOf(denied.data)?.total,
    isAuditIntact: audit.data?.ok,
    oldestStale,
    ages: { connected: pageOf(oldestConnected.data)?.items[0]?.lastSeen ?? null, stale: oldestStale },
    connectionOf,
    reading: readingOf(queries),
    retry: () => {
      for (const query of queries) if (query.isError) void query.refetch();
    },
  };
};
