import type { RegionView } from '@fso/shared/api';
import type { Plan } from '@fso/shared/effects/portable';
import { unknownRegion } from '../../map/map-regions.ts';

/** Region of changed rules. */
export interface PlanRegion {
  /** Name as in the rules: `eu-west-1`, or `aws/eu-west-1`. */
  readonly region: string;
  /** Number of rules that newly allow the region. */
  readonly gains: number;
  /** Number of rules that no longer allow it. */
  readonly loses: number;
  /**
   * Number of rules that allow it before and after, or that allow every region on one of both
   * sides.
   */
  readonly keeps: number;
}

type CountName = Exclude<keyof PlanRegion, 'region'>;

/**
 * Returns the count that an effect adds to. A rule is one action in one namespace or pattern of
 * namespaces. A missing rule allows every region.
 */
const countOf = (region: string, { before, after }: Plan['effects'][number]): CountName => {
  if (before === null || after === null) return 'keeps';
  if (!before.regions.includes(region)) return 'gains';
  return after.regions.includes(region) ? 'keeps' : 'loses';
};

/** Returns the regions of changed rules, those that most rules lose first. Pure. */
export const planRegions = ({ effects }: Pick<Plan, 'effects'>): readonly PlanRegion[] => {
  const found = new Map<string, Record<CountName, number>>();
  for (const effect of effects)
    for (const region of new Set([...(effect.before?.regions ?? []), ...(effect.after?.regions ?? [])])) {
      const counts = found.get(region) ?? { gains: 0, loses: 0, keeps: 0 };
      counts[countOf(region, effect)] += effect.namespaces.length;
      found.set(region, counts);
    }
  return [...found]
    .map(([region, counts]) => ({ region, ...counts }))
    .toSorted((one, other) => other.loses - one.loses || other.gains - one.gains || one.region.localeCompare(other.region, 'en'));
};

/**
 * Returns the places of these regions, with only the clusters of the plan. If several providers use
 * a name, all its places are returned, unless the rule names the provider. Pure.
 *
 * @param views regions of the whole fleet
 */
export const planRegionViews = ({ effects }: Pick<Plan, 'effects'>, views: readonly RegionView[]): readonly RegionView[] => {
  const clusters = new Set(effects.flatMap((effect) => effect.clusters));
  const names = new Set(planRegions({ effects }).map(({ region }) => region));
  const namesOf = ({ region, provider }: RegionView): readonly string[] => [region, `${provider}/${region}`];
  const known = views.filter((view) => namesOf(view).some((name) => names.has(name)));
  const found = new Set(known.flatMap(namesOf));
  return [
    ...known.map((view) => ({ ...view, clusters: view.clusters.filter((cluster) => clusters.has(cluster)) })),
    ...[...names].filter((name) => !found.has(name)).map(unknownRegion),
  ];
};

/** Returns the names of the regions that changed rules allow, without providers. Pure. */
export const allowedAfter = ({ effects }: Pick<Plan, 'effects'>): ReadonlySet<string> =>
  new Set(effects.flatMap(({ after }) => (after?.regions ?? []).map((region) => region.split('/').at(-1) ?? region)));
