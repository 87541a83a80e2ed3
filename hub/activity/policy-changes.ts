import type { PolicyChanges } from '@fso/shared/api';
import { byText, canonicalJson, type PolicySet } from '@fso/shared/compile';

const textsOf = ({ policies }: PolicySet): ReadonlyMap<string, string> =>
  new Map(policies.map(({ document }) => [document.metadata.name, canonicalJson(document)]));

/** Which policies read differently in two commits; where in the repository they stand does not count. Names in Git, sorted. Pure. */
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
