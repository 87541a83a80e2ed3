import { ANNOTATIONS, LABELS, SYSTEM_NAMESPACE } from './names.ts';
import { policyKey } from './reports.ts';
import type { ClusterPolicySpec, SovereignPolicyStatus } from './sovereign-policy.ts';

/** Part of metav1.ObjectMeta that this system reads. Times are RFC 3339 strings, as on the wire. */
export interface ObjectMeta {
  name: string;
  namespace?: string;
  uid?: string;
  resourceVersion?: string;
  generation?: number;
  creationTimestamp?: string;
  deletionTimestamp?: string;
  finalizers?: string[];
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  /** https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management */
  managedFields?: { manager?: string; operation?: string; time?: string; subresource?: string; fieldsV1?: Record<string, unknown> }[];
  ownerReferences?: { apiVersion: string; kind: string; name: string; uid: string; controller?: boolean }[];
}

/** Any Kubernetes object, as it comes over the wire. */
export interface KubeObject {
  apiVersion?: string;
  kind?: string;
  metadata: ObjectMeta;
}

/** SovereignPolicy in a workload cluster. */
export interface SovereignPolicy extends KubeObject {
  spec: ClusterPolicySpec;
  status?: SovereignPolicyStatus;
}

/** {@link policyKey} of a policy in a cluster. */
export const policyKeyOf = ({ metadata }: SovereignPolicy): string =>
  policyKey({ namespace: metadata.namespace ?? '', name: metadata.name });

/**
 * Whether a policy came from Git. The label counts only in the agent's own namespace, since others
 * may write it elsewhere.
 */
export const isHubManaged = ({ metadata }: SovereignPolicy): boolean =>
  metadata.namespace === SYSTEM_NAMESPACE && metadata.labels?.[LABELS.managedBy] === 'hub';

const GIT_ID = /^([0-9a-f]{40}|[0-9a-f]{64})$/;

/**
 * Git commit that last changed a hub-managed policy; undefined for a local one, even if its
 * annotations claim one.
 */
export const revisionOf = (policy: SovereignPolicy): string | undefined => {
  const revision = policy.metadata.annotations?.[ANNOTATIONS.revision];
  return isHubManaged(policy) && revision !== undefined && GIT_ID.test(revision) ? revision : undefined;
};
