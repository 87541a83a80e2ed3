import { isDeepStrictEqual } from 'node:util';
import { KEY_PREFIX, type KubeObject, NAMESPACE_KEYS, REGION_LABEL, type SovereignPolicy, SYSTEM_NAMESPACE } from '@fso/shared/api';
import type { ApiService, CustomResourceDefinition, Node } from '@fso/shared/kube';
import { reducePlacement } from '@fso/shared/residency';
import type { Pod } from './kinds.ts';
import { labelsHeldByOthers } from './label-owners.ts';

/** What the caches keep: a cluster may have tens of thousands of pods, and most of an object is never read here. */

/** Keeps of a pod what the decision and the reports read. */
export const reducePod = ({ metadata, spec, status }: Pod): Pod => {
  const { name, namespace, uid, resourceVersion, ownerReferences } = metadata;
  const { ownerReferences: owners, ...placement } = reducePlacement(ownerReferences === undefined ? spec : { ...spec, ownerReferences });
  return {
    metadata: definedOnly({ name, namespace, uid, resourceVersion, ownerReferences: owners }) as Pod['metadata'],
    spec: placement,
    status: definedOnly({ phase: status?.phase }) as Pod['status'] & object,
  };
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

/** Of a CRD which version it is, and who wrote it: its spec is compared by the API server, which counts its changes. */
export const reduceDefinition = ({ metadata, spec }: CustomResourceDefinition): CustomResourceDefinition => {
  const { name, uid, resourceVersion, generation, deletionTimestamp, managedFields } = metadata;
  return {
    metadata: definedOnly({ name, uid, resourceVersion, generation, deletionTimestamp, managedFields }) as KubeObject['metadata'],
    spec: { group: spec.group, names: spec.names },
  };
};

/** Of an APIService who answers. */
export const reduceApiService = ({ metadata, spec }: ApiService): ApiService => {
  const { name, uid, resourceVersion, managedFields } = metadata;
  return {
    metadata: definedOnly({ name, uid, resourceVersion, managedFields }) as KubeObject['metadata'],
    spec: spec?.service === undefined ? {} : { service: spec.service },
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
    metadata: definedOnly({
      name,
      uid,
      resourceVersion,
      deletionTimestamp,
      labels: readNamespaceKeys(labels),
      annotations: readNamespaceKeys(annotations),
    }) as KubeObject['metadata'],
    held: labelsHeldByOthers(managedFields),
  };
};

/** Gatekeeper leaves a namespace with it alone (https://open-policy-agent.github.io/gatekeeper/website/docs/exempt-namespaces/). */
export const GATEKEEPER_IGNORE = 'admission.gatekeeper.sh/ignore';

type Values = Readonly<Record<string, string>>;

/** The labels, or annotations, of a namespace that this system reads: anybody may fill the rest with 256 KiB, and some of it with our prefix. */
const readNamespaceKeys = (values: Values | undefined): Values | undefined =>
  values && Object.fromEntries([...NAMESPACE_KEYS, GATEKEEPER_IGNORE].flatMap((key) => (key in values ? [[key, values[key] ?? '']] : [])));

/** The same of a policy. */
const readKeys = (values: Values | undefined): Values | undefined =>
  values && Object.fromEntries(Object.entries(values).filter(([key]) => key.startsWith(KEY_PREFIX)));

/** A policy, whole where the agent writes it itself and has to know who else did; elsewhere without what others may add at will. */
export const reducePolicy = (policy: SovereignPolicy): SovereignPolicy => {
  if (policy.metadata.namespace === SYSTEM_NAMESPACE) return policy;
  const { labels, annotations, managedFields: _, ownerReferences: _owners, ...metadata } = policy.metadata;
  const kept = definedOnly({ ...metadata, labels: readKeys(labels), annotations: readKeys(annotations) });
  return { ...policy, metadata: kept as SovereignPolicy['metadata'] };
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
