import type { KubeObject, ObjectMeta } from '../api/index.ts';

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
 * The decision on one pod. `violation` says which part of the pod leaves the allowed regions, in
 * words an application team understands, without the policy's name (callers add it), and `fix` how
 * to confine it.
 */
export type ResidencyDecision =
  | { readonly admitted: true }
  | { readonly admitted: false; readonly violation: string; readonly fix: string };

/** The parts of a pod that the decision reads: where it may run, and who made it. */
export interface PodPlacement extends PlacementSpec {
  readonly ownerReferences?: ObjectMeta['ownerReferences'];
}

interface Template {
  readonly metadata?: Partial<ObjectMeta>;
  readonly spec?: PlacementSpec;
}
interface Workload extends KubeObject {
  readonly spec?: PlacementSpec & {
    readonly template?: Template;
    readonly jobTemplate?: { readonly spec?: { readonly template?: Template } };
  };
}

/** Kinds whose `spec.template` is a pod template; CronJob nests it one level deeper. */
const TEMPLATE_KINDS: ReadonlySet<string> = new Set([
  'Deployment',
  'ReplicaSet',
  'StatefulSet',
  'DaemonSet',
  'Job',
  'ReplicationController',
]);

const withOwners = (spec: PlacementSpec, ownerReferences: ObjectMeta['ownerReferences']): PodPlacement =>
  ownerReferences === undefined ? spec : { ...spec, ownerReferences };

const templateOf = (workload: Workload): Template | undefined => {
  if (workload.kind === 'CronJob') return workload.spec?.jobTemplate?.spec?.template;
  return TEMPLATE_KINDS.has(workload.kind ?? '') ? workload.spec?.template : undefined;
};

/**
 * The placement of a Pod, or of the pods that a workload would make.
 *
 * @returns undefined for a kind that makes no pods, or an object without a pod spec.
 */
export const podTemplateOf = (object: KubeObject): PodPlacement | undefined => {
  const workload = object as Workload;
  if (workload.kind === 'Pod') return workload.spec && withOwners(workload.spec, workload.metadata.ownerReferences);
  return templateOf(workload)?.spec;
};
