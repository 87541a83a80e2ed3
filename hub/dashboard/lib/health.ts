import { CLOCK_SKEW_MS, type ClusterView, CONDITIONS, type Condition, RENEWAL_LATE_MS } from '@fso/shared/api';
import { isExpired, isExpiring } from '@fso/shared/residency';
import { formatDuration } from './time.ts';

/** Judgement of a condition: whether people have to look at it. */
export type ConditionHealth = 'bad' | 'unknown' | 'good';

/** Conditions that are bad when true, as those of Kubernetes nodes (DiskPressure, …) are. */
const BAD_WHEN_TRUE: ReadonlySet<string> = new Set([
  CONDITIONS.reconciling,
  CONDITIONS.stalled,
  CONDITIONS.conflict,
  CONDITIONS.expiring,
  CONDITIONS.tampered,
  CONDITIONS.nodesDisputed,
  CONDITIONS.regionAmbiguous,
  CONDITIONS.regionsEnding,
]);

/** Judges a condition; `Unknown` is never good. */
export const healthOf = ({ type, status }: Pick<Condition, 'type' | 'status'>): ConditionHealth => {
  if (status === 'Unknown') return 'unknown';
  return (status === 'True') === BAD_WHEN_TRUE.has(type) ? 'bad' : 'good';
};

/** State of an agent's certificate; `late`: its renewal is overdue. */
export type CertificateState = 'good' | 'late' | 'expired' | 'none';

/** @param expires RFC 3339; null: there is none */
export const certificateState = (expires: string | null, nowMs: number): CertificateState => {
  if (expires === null) return 'none';
  const leftMs = Date.parse(expires) - nowMs;
  if (leftMs <= 0) return 'expired';
  return leftMs < RENEWAL_LATE_MS ? 'late' : 'good';
};

/** Skew below which the time that a message takes explains it. */
const NEAR_MS = 1_000;

/** Whether clocks differ so much that the hub calls it wrong; null: not known. */
export const isSkewed = (skewMs: number | null): skewMs is number => skewMs !== null && Math.abs(skewMs) >= CLOCK_SKEW_MS;

/** @param skewMs by how much the agent's clock is ahead; null: not known */
export const skewText = (skewMs: number | null): string => {
  if (skewMs === null) return 'not known';
  if (Math.abs(skewMs) < NEAR_MS) return 'agrees with the hub';
  return `${formatDuration(Math.abs(skewMs))} ${skewMs > 0 ? 'ahead of' : 'behind'} the hub`;
};

/**
 * State of a cluster towards its assigned commit. Unknown is never good: a cluster that is not
 * connected or not observed has only a last known state.
 */
export type SyncState = 'proven' | 'accepted' | 'behind' | 'refused' | 'lastKnown' | 'unknown';

type SyncFacts = Pick<ClusterView, 'connection' | 'notObserved' | 'inSync' | 'revision' | 'provenRevision' | 'nack' | 'offeredRevision'>;

/** Whether the agent stands by its refusal of what it was offered last. */
export const isRefusing = ({ nack, revision, offeredRevision }: Pick<SyncFacts, 'nack' | 'revision' | 'offeredRevision'>): boolean =>
  nack !== null && nack.revision === offeredRevision && nack.revision !== revision;

const connectedSync = (cluster: SyncFacts): SyncState => {
  if (isRefusing(cluster)) return 'refused';
  if (!cluster.inSync) return 'behind';
  return cluster.provenRevision === cluster.revision ? 'proven' : 'accepted';
};

/** Judges how far a cluster is with the commit that it is to have. */
export const syncStateOf = (cluster: SyncFacts): SyncState => {
  if (cluster.connection === 'NeverSeen') return 'unknown';
  return cluster.connection === 'Connected' && cluster.notObserved === null ? connectedSync(cluster) : 'lastKnown';
};

/**
 * Whether a cluster is neither registered nor connected. Such a cluster does not count as part of
 * the fleet.
 */
export const isRetired = ({ regions, connection }: Pick<ClusterView, 'regions' | 'connection'>): boolean =>
  regions.length === 0 && connection !== 'Connected';

type Expiry = 'never' | 'later' | 'soon' | 'past';

/** Nearness of the end of a policy. @param expiryDate RFC 3339; undefined: it has none */
export const expiryOf = (expiryDate: string | undefined, nowMs: number): Expiry => {
  if (expiryDate === undefined) return 'never';
  if (isExpired(expiryDate, nowMs)) return 'past';
  return isExpiring(expiryDate, nowMs) ? 'soon' : 'later';
};
