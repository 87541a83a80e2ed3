import { type ClusterEvent, parsePolicyKey, SYSTEM_NAMESPACE } from '../api/index.ts';

/** Whether an event is of the cluster itself: tampering, and all that no policy causes. */
export const isOfCluster = ({ policy, reason }: ClusterEvent): boolean => policy === undefined || reason === 'TamperingRepaired';

/**
 * The namespace whose own policy causes an event, so that users of that namespace decide how many
 * come.
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

/**
 * Rank of an event where not all can be kept: 0 goes first. What tenants cause goes before all
 * others of its severity, alerts of the cluster go last.
 */
export const weightOf = (event: ClusterEvent): number => {
  if (tenantOf(event) !== undefined) return SEVERITIES[capSeverity(event).severity];
  return SEVERITIES[event.severity] + (event.severity === 'alert' && isOfCluster(event) ? 2 : 1);
};

/**
 * Events in the order in which they are dropped where not all can be kept: the least weight first,
 * and of one weight the oldest of the group that has the most of them. A group is a namespace, or
 * else a policy, or else a reason, so that no number of events of one kind takes the place of
 * another.
 *
 * @param events the oldest first
 */
export const dropOrder = (events: readonly ClusterEvent[]): readonly ClusterEvent[] => {
  const later = new Map<string, number>();
  const ranked = events.toReversed().map((event) => {
    const weight = weightOf(event);
    const group = JSON.stringify([weight, tenantOf(event) ?? event.policy ?? event.reason]);
    const rank = later.get(group) ?? 0;
    later.set(group, rank + 1);
    return { event, weight, rank };
  });
  // The sort is stable, so that the older of one rank stays before the newer.
  return ranked
    .reverse()
    .sort((a, b) => a.weight - b.weight || b.rank - a.rank)
    .map(({ event }) => event);
};
