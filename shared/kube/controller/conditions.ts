import type { Condition } from '../../api/index.ts';

/** Condition without lastTransitionTime, which is derived from the previous condition. */
export type ConditionUpdate = Omit<Condition, 'lastTransitionTime'>;

const byType = (a: Condition, b: Condition): number => (a.type < b.type ? -1 : Number(a.type > b.type));

/**
 * Returns a new list, sorted by type, that includes the condition. `lastTransitionTime` changes
 * only with the status
 * (https://github.com/kubernetes/community/blob/master/contributors/devel/sig-architecture/api-conventions.md#typical-status-properties).
 */
export const setCondition = (conditions: readonly Condition[] | undefined, next: ConditionUpdate, now: Date): Condition[] => {
  const others = (conditions ?? []).filter((condition) => condition.type !== next.type);
  const previous = conditions?.find((condition) => condition.type === next.type);
  // Kubernetes stores metav1.Time in whole seconds.
  const at = previous?.status === next.status ? previous.lastTransitionTime : `${now.toISOString().slice(0, 19)}Z`;
  return [...others, { ...next, lastTransitionTime: at }].sort(byType);
};
