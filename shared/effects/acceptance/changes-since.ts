import { byText } from '../../encoding/index.ts';
import type { Beyond } from './acceptance.ts';
import { findExcess, MAX_NAMED } from './beyond.ts';
import type { SincePlan } from './planned-branch.ts';
import type { PlannedEffects } from './planned-effects.ts';

/** Clusters of which a plan does not know all effects on workloads. */
const unknownIn = ({ notLookedAt, notAnswered, partly }: PlannedEffects): readonly string[] => [...notLookedAt, ...notAnswered, ...partly];

/** Removes the effects of clusters that cannot be compared. */
const without = (
  { effects, workloads, ...rest }: PlannedEffects,
  unlooked: ReadonlySet<string>,
  unknown: ReadonlySet<string>,
): PlannedEffects => ({
  ...rest,
  effects: effects.flatMap((effect) => {
    const clusters = effect.clusters.filter((cluster) => !unlooked.has(cluster));
    return clusters.length === 0 ? [] : [{ ...effect, clusters }];
  }),
  workloads: workloads.filter(({ cluster }) => !unknown.has(cluster)),
});

/** Lists the first effects that another plan does not have, each with all clusters that have it. */
const firstOf = (one: PlannedEffects, other: PlannedEffects): Beyond[] => {
  const found = new Map<string, Beyond>();
  for (const { effect: message, difference: _difference, clusters, owners } of findExcess(one, other)) {
    const key = JSON.stringify([message, owners]);
    const known = found.get(key);
    if (known !== undefined) known.clusters.push(...clusters);
    else if (found.size < MAX_NAMED) found.set(key, { clusters: [...clusters], message, ...(owners && { owners }) });
  }
  return [...found.values()];
};

/**
 * Compares the effects of a plan with those of the previous one. Clusters that either plan knows
 * only in part are listed, and compared only as far as both know them, so that missing effects are
 * neither new nor gone. Pure; the cost grows with the clusters times namespaces of both.
 */
export const changesSince = (today: PlannedEffects, last: PlannedEffects): Pick<SincePlan, 'begins' | 'ends' | 'unknown'> => {
  const unlooked = new Set([...today.notLookedAt, ...last.notLookedAt]);
  const unknown = new Set([...unknownIn(today), ...unknownIn(last)]);
  const [now, before] = [without(today, unlooked, unknown), without(last, unlooked, unknown)];
  return { begins: firstOf(now, before), ends: firstOf(before, now), unknown: [...unknown].sort(byText) };
};
