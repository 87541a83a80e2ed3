/** core/v1 NodeSelectorRequirement. */
export interface NodeSelectorRequirement {
  key: string;
  operator: string;
  values?: string[];
}
/** core/v1 NodeSelectorTerm. */
export interface NodeSelectorTerm {
  matchExpressions?: NodeSelectorRequirement[];
  matchFields?: NodeSelectorRequirement[];
}
/** The part of core/v1 PodSpec that decides where a pod can run. */
export interface PlacementSpec {
  nodeName?: string;
  nodeSelector?: Record<string, string>;
  affinity?: { nodeAffinity?: { requiredDuringSchedulingIgnoredDuringExecution?: { nodeSelectorTerms?: NodeSelectorTerm[] } } };
}
/**
 * The decision on one pod. `violation` says what in the pod leaves the allowed regions, in words an application
 * team understands, without the policy's name (callers add it), and `fix` how to confine it.
 */
export type ResidencyDecision =
  | { readonly admitted: true }
  | { readonly admitted: false; readonly violation: string; readonly fix: string };
