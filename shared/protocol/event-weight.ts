import { type ClusterEvent, parsePolicyKey, SYSTEM_NAMESPACE } from '../api/index.ts';

/** Whether an event concerns the cluster itself: tampering, and everything without a policy. */
export const isOfCluster = ({ policy, reason }: ClusterEvent): boolean => policy === undefined || reason === 'TamperingRepaired';

/**
 * Namespace whose own policy caused the event. The users of that namespace decide how many such
 * events occur.
 *
 * @returns undefined without a policy, or for one of the hub
 */
export const tenantOf = (event: ClusterEvent): string | undefined => {
  if (event.policy === undefined || isOfCluster(event)) return undefined;
  const { namespace } = parsePolicyKey(event.policy);
  return namespace === SYSTEM_NAMESPACE ? undefined : namespace;
};

/** Reduces an alert that a tenant caused to a warning. */
export const capSeverity = (event: ClusterEvent): ClusterEvent =>
  event.severity === 'alert' && tenantOf(event) !== undefined ? { ...event, severity: 'warning' } : event;

const SEVERITIES: Readonly<Record<ClusterEvent['severity'], number>> = { info: 0, warning: 2, alert: 4 };

/**
 * Rank of an event if not all can be kept: 0 is dropped first. Events caused by tenants are dropped
 * before all others of their severity; alerts of the cluster are dropped last.
 */
export const weightOf = (event: ClusterEvent): number => {
  if (tenantOf(event) !== undefined) return SEVERITIES[capSeverity(event).severity];
  return SEVERITIES[event.severity] + (event.severity === 'alert' && isOfCluster(event) ? 2 : 1);
};

/**
 * Sorts events by the order in which they are dropped if not all can be kept: least weight first,
 * and within one weight the oldest of the largest group. A group is a namespace, or else a policy,
 * or else a reason, so that events of one kind cannot displace another.
 *
 * @param events oldest first
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
  // The sort is stable, so that older events of a rank stay before newer ones.
  return ranked
    .reverse()
    .sort((a, b) => a.weight - b.weight || b.rank - a.rank)
    .map(({ event }) => event);
};
