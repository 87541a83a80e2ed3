import { isDeepStrictEqual } from 'node:util';
import { type KubeObject, REGION_LABEL } from '@fso/shared/api';
import type { Node } from '@fso/shared/kube';
import type { Pod } from './kinds.ts';
import { labelsHeldByOthers } from './label-owners.ts';

/** What the caches keep: a cluster may have tens of thousands of pods, and most of an object is never read here. */

/** Keeps of a pod what the decision and the reports read. */
export const reducePod = ({ metadata, spec, status }: Pod): Pod => {
  const { name, namespace, uid, resourceVersion, ownerReferences } = metadata;
  const { nodeName, nodeSelector, affinity } = spec;
  const required = affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  return definedOnly({
    metadata: definedOnly({ name, namespace, uid, resourceVersion, ownerReferences }),
    spec: definedOnly({
      nodeName,
      nodeSelector,
      affinity: required && { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: required } },
    }),
    status: definedOnly({ phase: status?.phase }),
  }) as Pod;
};

/** Of a node its region. */
export const reduceNode = ({ metadata: { name, uid, resourceVersion, labels } }: Node): Node => {
  const region = labels?.[REGION_LABEL];
  return {
    metadata: definedOnly({
      name,
      uid,
      resourceVersion,
      labels: region === undefined ? undefined : { [REGION_LABEL]: region },
    }) as Node['metadata'],
  };
};

/** A namespace as it is kept. */
export interface Namespace extends KubeObject {
  /** Labels of this system that somebody else holds as well, see label-owners.ts. */
  readonly held?: readonly string[] | undefined;
}

export const reduceNamespace = ({ metadata }: Namespace): Namespace => {
  const { name, uid, resourceVersion, deletionTimestamp, labels, annotations, managedFields } = metadata;
  return {
    metadata: definedOnly({ name, uid, resourceVersion, deletionTimestamp, labels, annotations }) as KubeObject['metadata'],
    held: labelsHeldByOthers(managedFields),
  };
};

const definedOnly = <T extends object>(object: T): T =>
  Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as T;

/** Whether reduced objects say the same, but for their version: a kubelet writes the status of its node and pods all the time. */
export const isSameNode = (a: Node, b: Node): boolean =>
  a.metadata.uid === b.metadata.uid && a.metadata.labels?.[REGION_LABEL] === b.metadata.labels?.[REGION_LABEL];

export const isSamePod = (a: Pod, b: Pod): boolean =>
  a.metadata.uid === b.metadata.uid &&
  a.status?.phase === b.status?.phase &&
  isDeepStrictEqual(a.spec, b.spec) &&
  isDeepStrictEqual(a.metadata.ownerReferences, b.metadata.ownerReferences);
