import type { Condition } from '../../api/index.ts';

export type ConditionUpdate = Omit<Condition, 'lastTransitionTime'>;

const byType = (a: Condition, b: Condition): number => (a.type < b.type ? -1 : Number(a.type > b.type));

/**
 * Returns a new list, sorted by type, that includes the condition. `lastTransitionTime` moves only
 * when the status changes
 * (https://github.com/kubernetes/community/blob/master/contributors/devel/sig-architecture/api-conventions.md#typical-status-properties).
 */
export const setCondition = (conditions: readonly Condition[] | undefined, next: ConditionUpdate, now: Date): Condition[] => {
  const others = (conditions ?? []).filter((condition) => condition.type !== next.type);
  const previous = conditions?.find((condition) => condition.type === next.type);
  // Kubernetes stores metav1.Time in whole seconds.
  const at = previous?.status === next.status ? previous.lastTransitionTime : `${now.toISOString().slice(0, 19)}Z`;
  return [...others, { ...next, lastTransitionTime: at }].sort(byType);
};

const sameCondition = (a: Condition, b: Condition | undefined): boolean =>
  b !== undefined &&
  a.type === b.type &&
  a.status === b.status &&
  a.reason === b.reason &&
  a.message === b.message &&
  a.observedGeneration === b.observedGeneration &&
  Date.parse(a.lastTransitionTime) === Date.parse(b.lastTransitionTime);

/** Whether two lists hold the same conditions, in any order. */
export const conditionsEqual = (a: readonly Condition[] | undefined, b: readonly Condition[] | undefined): boolean => {
  const left = [...(a ?? [])].sort(byType);
  const right = [...(b ?? [])].sort(byType);
  return left.length === right.length && left.every((condition, index) => sameCondition(condition, right[index]));
};
