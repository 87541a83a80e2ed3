import { type ClusterEvent, parsePolicyKey, SYSTEM_NAMESPACE } from '../api/index.ts';

/** Whether an event is of the cluster itself: tampering, and all that no policy causes. */
export const isOfCluster = ({ policy, reason }: ClusterEvent): boolean => policy === undefined || reason === 'TamperingRepaired';

/**
 * The namespace whose own policy causes an event, so that users of that namespace decide how many come.
 *
 * @returns undefined: no policy does, or one of the hub
 */
export const tenantOf = (event: ClusterEvent): string | undefined => {
  if (event.policy === undefined || isOfCluster(event)) return undefined;
  const { namespace } = parsePolicyKey(event.policy);
  return namespace === SYSTEM_NAMESPACE ? undefined : namespace;
};

/** Limits an event that tenants cause to a warning. */
export const capSeverity = (event: ClusterEvent): ClusterEvent =>
  event.severity === 'alert' && tenantOf(event) !== undefined ? { ...event, severity: 'warning' } : event;

const SEVERITIES: Readonly<Record<ClusterEvent['severity'], number>> = { info: 0, warning: 2, alert: 4 };

/** Rank of an event where not all can be kept: 0 goes first. What tenants cause goes before all others of its severity, alerts of the cluster go last. */
export const weightOf = (event: ClusterEvent): number => {
  if (tenantOf(event) !== undefined) return SEVERITIES[capSeverity(event).severity];
  return SEVERITIES[event.severity] + (event.severity === 'alert' && isOfCluster(event) ? 2 : 1);
};

/** The event to drop: one of the least weight, the oldest of the namespace, or else of the policy, that has the most of these. */
export const leastOf = (events: readonly ClusterEvent[]): ClusterEvent | undefined => {
  const byWeight = Map.groupBy(events, weightOf);
  const least = byWeight.get(Math.min(...byWeight.keys())) ?? [];
  const groups = Map.groupBy(least, (event) => tenantOf(event) ?? event.policy);
  const [largest] = [...groups.values()].sort((a, b) => b.length - a.length);
  return largest?.[0];
};
