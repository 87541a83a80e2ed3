import type { ClusterView } from '@fso/shared/api';

/** How a cluster stands to the commit that is meant for it. Unknown is never good: of what is not connected only the last is known. */
export type Sync = 'proven' | 'accepted' | 'behind' | 'refused' | 'lastKnown' | 'unknown';

type SyncFacts = Pick<ClusterView, 'connection' | 'inSync' | 'revision' | 'provenRevision' | 'nack' | 'offeredRevision'>;

/** Whether the agent stands by its refusal of what it was offered last. */
export const isRefusing = ({ nack, revision, offeredRevision }: Pick<SyncFacts, 'nack' | 'revision' | 'offeredRevision'>): boolean =>
  nack !== null && nack.revision === offeredRevision && nack.revision !== revision;

const connectedSync = (cluster: SyncFacts): Sync => {
  if (isRefusing(cluster)) return 'refused';
  if (!cluster.inSync) return 'behind';
  return cluster.provenRevision === cluster.revision ? 'proven' : 'accepted';
};

export const syncOf = (cluster: SyncFacts): Sync => {
  if (cluster.connection === 'NeverSeen') return 'unknown';
  return cluster.connection === 'Connected' ? connectedSync(cluster) : 'lastKnown';
};

/** Neither registered nor connected: the fleet is counted without it. */
export const isRetired = ({ regions, connection }: Pick<ClusterView, 'regions' | 'connection'>): boolean =>
  regions.length === 0 && connection !== 'Connected';
