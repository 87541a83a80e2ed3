import { z } from 'zod';
import { boundedList } from '../api/index.ts';
import { DeviationGroup, MAX_LISTED } from '../status/index.ts';

const namesIn = (group: unknown): readonly unknown[] => {
  const names: unknown = Reflect.get(Object(group), 'policies');
  return Array.isArray(names) ? names : [];
};

/** Counts the names in groups, whether or not the groups are valid. */
export const countNames = (groups: readonly unknown[]): number => groups.reduce<number>((sum, group) => sum + namesIn(group).length, 0);

/** Finds the first name that occurs twice in groups. */
const repeatedName = (groups: readonly DeviationGroup[]): string | undefined => {
  const seen = new Set<string>();
  for (const { policies } of groups) {
    for (const name of policies) {
      if (seen.has(name)) return name;
      seen.add(name);
    }
  }
  return undefined;
};

/**
 * Groups of a frame. Names are counted before they are validated, as each costs the hub as much as
 * a group of its own.
 */
export const DeviationGroups = z
  .array(z.unknown())
  .max(MAX_LISTED)
  .refine((groups) => countNames(groups) <= MAX_LISTED, `must name at most ${MAX_LISTED} policies`)
  .pipe(boundedList(DeviationGroup, MAX_LISTED))
  .pipe(z.custom<DeviationGroup[]>((groups) => repeatedName(groups as DeviationGroup[]) === undefined, 'must name each policy once'));
