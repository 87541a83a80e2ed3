import type { KubeObject } from '../api/index.ts';
import type { KindDescriptor, ObjectKey, ObjectRef } from './types.ts';

const groupPath = (apiVersion: string): string => (apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`);

/** Path of all objects of a kind, in one namespace or in the whole cluster. */
export const collectionPath = (kind: KindDescriptor, namespace?: string): string => {
  const scope = kind.namespaced && namespace !== undefined ? `/namespaces/${encodeURIComponent(namespace)}` : '';
  return `${groupPath(kind.apiVersion)}${scope}/${kind.plural}`;
};

/**
 * Path of an object at the API server.
 *
 * @throws TypeError for a namespaced kind without a namespace, as the path would name another
 * resource
 */
export const objectPath = (kind: KindDescriptor, ref: ObjectRef, subresource?: string): string => {
  if (kind.namespaced && !ref.namespace) throw new TypeError(`${kind.kind} ${ref.name}: a namespace is needed`);
  const suffix = subresource === undefined ? '' : `/${subresource}`;
  return `${collectionPath(kind, ref.namespace)}/${encodeURIComponent(ref.name)}${suffix}`;
};

/** Namespace and name of an object. */
export const refOf = (object: KubeObject): ObjectRef =>
  object.metadata.namespace === undefined
    ? { name: object.metadata.name }
    : { namespace: object.metadata.namespace, name: object.metadata.name };

/** Key of an object in a cache or queue: `namespace/name`, or `name` for cluster-scoped kinds. */
export const keyOf = (ref: ObjectRef): ObjectKey => (ref.namespace === undefined ? ref.name : `${ref.namespace}/${ref.name}`);

/** Key of an object; see {@link keyOf}. */
export const keyOfObject = (object: KubeObject): ObjectKey => keyOf(refOf(object));
