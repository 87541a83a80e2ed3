import type { PolicyChanges } from '@fso/shared/api';
import { expandRegions, type PolicySet, regionGroupsOf, scopesAbove, scopesOf } from '@fso/shared/decode';
import { byText, canonicalJson } from '@fso/shared/encoding';

/**
 * What is said of each policy, with the regions that its groups stand for and the scopes around it: a group that is widened changes every policy
 * that names it, a scope every policy below it.
 */
const textsOf = (set: PolicySet): ReadonlyMap<string, string> => {
  const groups = regionGroupsOf(set);
  const scopes = scopesOf(set);
  return new Map(
    set.policies.map(({ document, source }) => {
      const { allowedRegions, placement } = document.spec;
      const regions = expandRegions(allowedRegions, groups);
      const around = scopesAbove(source.path, scopes).map((scope) => scope.document.spec.placement);
      const placedIn = [...around, placement].map((each) => expandRegions(each?.clusterRegions ?? [], groups));
      return [document.metadata.name, canonicalJson({ document, regions, around, placedIn })];
    }),
  );
};

/**
 * Which policies two commits differ in: what they say, their regions, and the clusters that they are placed in. Where in the repository
 * they stand does not count but for that. Names in Git, sorted. Pure.
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
