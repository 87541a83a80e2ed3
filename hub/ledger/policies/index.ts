export { ClusterPolicies, deviationsOf, keysBetween, type Policies, UnlistedPolicies } from './cluster-policies.ts';
export { differenceOf, listOf, type NamedPolicies, PolicyList } from './policy-list.ts';
export { findRelisted, listIn, type NewList, PolicyLists } from './policy-lists.ts';
