import { CLOCK_SKEW_MS, type ClusterView, CONDITIONS, type Condition, RENEWAL_LATE_MS } from '@fso/shared/api';
import { isExpired, isExpiring } from '@fso/shared/residency';
import { formatDuration } from './time.ts';

/** Health of a condition: whether it needs attention. */
export type ConditionHealth = 'bad' | 'unknown' | 'good';

/** Conditions that are bad if true, like those of Kubernetes nodes (DiskPressure, …). */
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

/** State of an agent's certificate. `late` means that its renewal is overdue. */
export type CertificateState = 'good' | 'late' | 'expired' | 'none';

/** @param expires RFC 3339; null if there is no certificate */
export const certificateState = (expires: string | null, nowMs: number): CertificateState => {
  if (expires === null) return 'none';
  const leftMs = Date.parse(expires) - nowMs;
  if (leftMs <= 0) return 'expired';
  return leftMs < RENEWAL_LATE_MS ? 'late' : 'good';
};

/** Skew that the latency of a message can explain. */
const NEAR_MS = 1_000;

/** Whether clocks differ so much that the hub reports a skew; false if the skew is unknown. */
export const isSkewed = (skewMs: number | null): skewMs is number => skewMs !== null && Math.abs(skewMs) >= CLOCK_SKEW_MS;

/** @param skewMs milliseconds by which the agent's clock is ahead; null if unknown */
export const skewText = (skewMs: number | null): string => {
  if (skewMs === null) return 'not known';
  if (Math.abs(skewMs) < NEAR_MS) return 'agrees with the hub';
  return `${formatDuration(Math.abs(skewMs))} ${skewMs > 0 ? 'ahead of' : 'behind'} the hub`;
};

/**
 * State of a cluster relative to its assigned commit. A cluster that is not connected or not
 * observed has only a last known state, never a good one.
 */
export type SyncState = 'proven' | 'accepted' | 'behind' | 'refused' | 'lastKnown' | 'unknown';

type SyncFacts = Pick<ClusterView, 'connection' | 'notObserved' | 'inSync' | 'revision' | 'provenRevision' | 'nack' | 'offeredRevision'>;

/** Whether the agent refuses the commit that it was last offered. */
export const isRefusing = ({ nack, revision, offeredRevision }: Pick<SyncFacts, 'nack' | 'revision' | 'offeredRevision'>): boolean =>
  nack !== null && nack.revision === offeredRevision && nack.revision !== revision;

const connectedSync = (cluster: SyncFacts): SyncState => {
  if (isRefusing(cluster)) return 'refused';
  if (!cluster.inSync) return 'behind';
  return cluster.provenRevision === cluster.revision ? 'proven' : 'accepted';
};

/** Determines how far a cluster has got with its assigned commit. */
export const syncStateOf = (cluster: SyncFacts): SyncState => {
  if (cluster.connection === 'NeverSeen') return 'unknown';
  return cluster.connection === 'Connected' && cluster.notObserved === null ? connectedSync(cluster) : 'lastKnown';
};

/**
 * Whether a cluster is neither registered nor connected. Such a cluster is not part of the fleet.
 */
export const isRetired = ({ regions, connection }: Pick<ClusterView, 'regions' | 'connection'>): boolean =>
  regions.length === 0 && connection !== 'Connected';

type Expiry = 'never' | 'later' | 'soon' | 'past';

/**
 * Determines whether the end of a policy is near. @param expiryDate RFC 3339; undefined if it has
 * none
 */
export const expiryOf = (expiryDate: string | undefined, nowMs: number): Expiry => {
  if (expiryDate === undefined) return 'never';
  if (isExpired(expiryDate, nowMs)) return 'past';
  return isExpiring(expiryDate, nowMs) ? 'soon' : 'later';
};
