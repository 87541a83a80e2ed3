import type { PolicyChanges, SovereignPolicyDocument } from '@fso/shared/api';
import { type PolicySet, regionsOf, type Sourced, scopesAbove, scopesOf } from '@fso/shared/decode';
import { byText, canonicalJson } from '@fso/shared/encoding';

type SourcedPolicy = Sourced<SovereignPolicyDocument>;

/**
 * Writes out the content of a policy, with the regions that its references stand for and the
 * scopes around it: a group that is widened changes every policy that names it, a scope every
 * policy below it, and a new catalogue those whose regions it reads otherwise.
 */
const createText = (set: PolicySet): ((policy: SourcedPolicy) => string) => {
  const resolver = regionsOf(set);
  const scopes = scopesOf(set);
  return ({ document, source }) => {
    const { allowedRegions, placement } = document.spec;
    const regions = resolver.resolve(allowedRegions);
    const around = scopesAbove(source.path, scopes).map((scope) => scope.document.spec.placement);
    const placedIn = [...around, placement].map((each) => resolver.resolve(each?.clusterRegions ?? []));
    return canonicalJson({ document, regions, around, placedIn });
  };
};

const byName = (set: PolicySet | undefined): ReadonlyMap<string, SourcedPolicy> =>
  new Map((set?.policies ?? []).map((policy) => [policy.document.metadata.name, policy]));

const areSame = (some: readonly Sourced<object>[], others: readonly Sourced<object>[]): boolean =>
  some.length === others.length && some.every(({ document }, at) => document === others[at]?.document);

/**
 * Returns whether a policy of both sets is changed. A file that reads as before is the same
 * document, and most are: they are not written out.
 */
const createIsChanged = (before: PolicySet, after: PolicySet): ((was: SourcedPolicy, is: SourcedPolicy) => boolean) => {
  const around = ({ scopes, regionGroups, catalog }: PolicySet) => [
    ...scopes,
    ...regionGroups,
    ...(catalog === undefined ? [] : [catalog]),
  ];
  const areSameAround = areSame(around(before), around(after));
  const [textBefore, textAfter] = [createText(before), createText(after)];
  return (was, is) => !(areSameAround && was.document === is.document) && textBefore(was) !== textAfter(is);
};

/**
 * Compares the policies of two commits: their content, their regions, and the clusters that they
 * are placed in. Paths in the repository count only for the placement. Returns names in Git,
 * sorted. Pure.
 */
export const comparePolicies = (before: PolicySet | undefined, after: PolicySet): PolicyChanges => {
  const [was, is] = [byName(before), byName(after)];
  const isChanged = createIsChanged(before ?? after, after);
  const changed = [...is].filter(([name, policy]) => {
    const earlier = was.get(name);
    return earlier !== undefined && isChanged(earlier, policy);
  });
  return {
    added: [...is.keys()].filter((name) => !was.has(name)).sort(byText),
    changed: changed.map(([name]) => name).sort(byText),
    removed: [...was.keys()].filter((name) => !is.has(name)).sort(byText),
  };
};
