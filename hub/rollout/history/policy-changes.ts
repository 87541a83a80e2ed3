import type { PolicyChanges } from '@fso/shared/api';
import { expandRegions, type PolicySet, regionGroupsOf } from '@fso/shared/decode';
import { byText, canonicalJson } from '@fso/shared/encoding';

/** What is said of each policy, with the regions that its groups stand for: a group that is widened changes every policy that names it. */
const textsOf = (set: PolicySet): ReadonlyMap<string, string> => {
  const groups = regionGroupsOf(set);
  return new Map(
    set.policies.map(({ document }) => {
      const { allowedRegions, placement } = document.spec;
      const regions = expandRegions(allowedRegions, groups);
      const placedIn = expandRegions(placement?.clusterRegions ?? [], groups);
      return [document.metadata.name, canonicalJson({ document, regions, placedIn })];
    }),
  );
};

/**
 * Which policies two commits differ in: what they say, their regions, and the regions that they are placed in. Where in the repository
 * they stand does not count. Names in Git, sorted. Pure.
 */
export const comparePolicies = (before: PolicySet | undefined, after: PolicySet): PolicyChanges => {
  const was = before === undefined ? new Map<string, string>() : textsOf(before);
  const is = textsOf(after);
  const names = [...is.keys()].sort(byText);
  return {
    added: names.filter((name) => !was.has(name)),
    changed: names.filter((name) => was.has(name) && was.get(name) !== is.get(name)),
    removed: [...was.keys()].filter((name) => !is.has(name)).sort(byText),
  };
};
