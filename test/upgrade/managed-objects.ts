import { ANNOTATIONS, KEY_PREFIX, type KubeObject, LABELS } from '@fso/shared/api';
import { canonicalJson } from '@fso/shared/encoding';
import {
  ADMISSION_POLICY_BINDING_KIND,
  ADMISSION_POLICY_KIND,
  CONSTRAINT_TEMPLATE_KIND,
  FLOOR_PARAMETERS_KIND,
  GEO_RESIDENCY_KIND,
  isNotFound,
  type KindDescriptor,
  type KubeClient,
  keyOfObject,
  NAMESPACE_KIND,
  SOVEREIGN_POLICY_KIND,
} from '@fso/shared/kube';
import { injectionKinds } from '../../agent/enforce/index.ts';

/** Objects by kind and key; as text that does not depend on the order of fields. */
export type ManagedObjects = Readonly<Record<string, unknown>>;

const INJECTION_KINDS = injectionKinds('v1');
const KINDS: readonly KindDescriptor[] = [
  SOVEREIGN_POLICY_KIND,
  FLOOR_PARAMETERS_KIND,
  ADMISSION_POLICY_KIND,
  ADMISSION_POLICY_BINDING_KIND,
  INJECTION_KINDS.policy,
  INJECTION_KINDS.binding,
  CONSTRAINT_TEMPLATE_KIND,
  GEO_RESIDENCY_KIND,
];

/** Times, and a hash of how a version writes its objects, which are compared themselves. */
const LEFT_OUT: readonly string[] = [LABELS.updatedAt, ANNOTATIONS.renewedAt, ANNOTATIONS.installedText];

/** Sorts the fields of all objects in a value. */
const sorted = (value: unknown): unknown => JSON.parse(canonicalJson(value));

const kept = (map: Readonly<Record<string, string>> = {}): Record<string, string> =>
  Object.fromEntries(Object.entries(map).filter(([key]) => !LEFT_OUT.includes(key)));

const ours = (map: Readonly<Record<string, string>> = {}): Record<string, string> =>
  Object.fromEntries(Object.entries(kept(map)).filter(([key]) => key.startsWith(KEY_PREFIX)));

/** Returns an object without its status and what the API server adds. */
const contentOf = ({ metadata, status: _status, ...content }: KubeObject & { status?: unknown }): unknown => {
  const {
    managedFields: _fields,
    resourceVersion: _version,
    generation: _generation,
    uid: _uid,
    creationTimestamp: _time,
    ...own
  } = metadata;
  return sorted({ ...content, metadata: { ...own, labels: kept(own.labels), annotations: kept(own.annotations) } });
};

const namespaceContent = ({ metadata: { labels, annotations } }: KubeObject): unknown =>
  sorted({ labels: ours(labels), annotations: ours(annotations) });

const listed = async (client: KubeClient, kind: KindDescriptor, signal: AbortSignal): Promise<readonly KubeObject[]> => {
  try {
    return await client.list(kind, {}, signal);
  } catch (error) {
    // As long as no policy asks for it, the cluster may not have the kind.
    if (isNotFound(error)) return [];
    throw error;
  }
};

/**
 * Reads everything that the product writes into a cluster to govern it: the objects of its kinds
 * and what namespaces carry of it. Nobody else makes objects of these kinds in a cluster of a test.
 */
export const readManagedObjects = async (client: KubeClient, signal: AbortSignal): Promise<ManagedObjects> => {
  const objects: Record<string, unknown> = {};
  for (const kind of KINDS)
    for (const object of await listed(client, kind, signal)) objects[`${kind.kind} ${keyOfObject(object)}`] = contentOf(object);
  for (const namespace of await client.list(NAMESPACE_KIND, {}, signal))
    objects[`Namespace ${namespace.metadata.name}`] = namespaceContent(namespace);
  return objects;
};

/** Returns the kinds without an object, for which a comparison would prove nothing. */
export const missingKinds = (objects: ManagedObjects): readonly string[] =>
  KINDS.map(({ kind }) => kind).filter((kind) => !Object.keys(objects).some((key) => key.startsWith(`${kind} `)));
