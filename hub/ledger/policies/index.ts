export {
  ClusterPolicies,
  countViolations,
  keysBetween,
  type NamedPolicies,
  namedIn,
  type Policies,
  UnlistedPolicies,
} from './cluster-policies.ts';
export { differenceOf, type ListedNames, listOf, PolicyList } from './policy-list.ts';
export { findRelisted, listIn, type NewList, PolicyLists } from './policy-lists.ts';
