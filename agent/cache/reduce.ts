import { isDeepStrictEqual } from 'node:util';
import {
  FIELD_MANAGERS,
  type FloorParameters,
  KEY_PREFIX,
  type KubeObject,
  NAMESPACE_KEYS,
  type ObjectMeta,
  REGION_LABEL,
  type SovereignPolicy,
  SYSTEM_NAMESPACE,
} from '@fso/shared/api';
import type {
  ApiService,
  ConstraintTemplate,
  CustomResourceDefinition,
  K8sGeoResidency,
  KindDescriptor,
  Node,
  ValidatingAdmissionPolicy,
  ValidatingAdmissionPolicyBinding,
  ValidatingWebhookConfiguration,
} from '@fso/shared/kube';
import { type PlacementSpec, reducePlacement } from '@fso/shared/residency';
import { isPlain } from '../compare.ts';
import { READ_NAMESPACE_KEYS } from '../enforce/index.ts';
import { decoderOf, type Malformed, SHAPES } from './decode.ts';

/** A pod, reduced to its placement constraints, its node and its phase. */
export interface Pod extends KubeObject {
  spec: PlacementSpec;
  status?: { phase?: string };
}

export const POD_KIND: KindDescriptor<Pod> = { apiVersion: 'v1', kind: 'Pod', plural: 'pods', namespaced: true };

type FieldsEntry = NonNullable<ObjectMeta['managedFields']>[number];

const labelsIn = ({ fieldsV1 }: FieldsEntry): readonly string[] => {
  const fields = fieldsV1?.['f:metadata'] as { 'f:labels'?: Record<string, unknown> } | undefined;
  return Object.keys(fields?.['f:labels'] ?? {}).map((key) => key.slice('f:'.length));
};

/**
 * Labels of this system that another field manager owns too: an apply without them does not remove them. A user who resets
 * `managedFields`, for which the right to patch suffices, makes the next apply leave all of them to `before-first-apply`.
 *
 * @see https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management
 */
export const labelsHeldByOthers = (managedFields: ObjectMeta['managedFields']): readonly string[] | undefined => {
  const others = (managedFields ?? []).filter(({ manager }) => manager !== FIELD_MANAGERS.namespaces);
  const held = others.flatMap(labelsIn).filter((key) => NAMESPACE_KEYS.includes(key));
  return held.length === 0 ? undefined : [...new Set(held)];
};

// A cluster may have tens of thousands of pods, and the agent never reads most of an object.

const decodePod = decoderOf<Pod>(SHAPES.pod);

/** Reduces a pod to the fields that the decision and the reports read. One whose spec cannot be read counts as a pod that says nothing. */
export const reducePod = (pod: Pod): Pod & Malformed => {
  const { metadata, spec = {}, status, malformed }: Partial<Pod> & Pick<Pod, 'metadata'> & Malformed = decodePod(pod);
  const { name, namespace, uid, resourceVersion, ownerReferences } = metadata;
  const { ownerReferences: owners, ...placement } = reducePlacement(ownerReferences === undefined ? spec : { ...spec, ownerReferences });
  return {
    metadata: definedOnly({ name, namespace, uid, resourceVersion, ownerReferences: owners }) as Pod['metadata'],
    spec: placement,
    status: definedOnly({ phase: status?.phase }) as Pod['status'] & object,
    ...(malformed !== undefined && { malformed }),
  };
};

const decodeNode = decoderOf<Node>(SHAPES.node);

/** Reduces a node to its region. One whose labels cannot be read has none. */
export const reduceNode = (node: Node): Node & Malformed => {
  const { metadata, malformed } = decodeNode(node);
  const { name, uid, resourceVersion, labels } = metadata;
  const region = labels?.[REGION_LABEL];
  return {
    metadata: definedOnly({
      name,
      uid,
      resourceVersion,
      labels: region === undefined ? undefined : { [REGION_LABEL]: region },
    }) as Node['metadata'],
    ...(malformed !== undefined && { malformed }),
  };
};

const decodeDefinition = decoderOf<CustomResourceDefinition>(SHAPES.definition);

/** Reduces a CRD to its versions and its writers: the API server compares the spec and counts its changes. */
export const reduceDefinition = (definition: CustomResourceDefinition): CustomResourceDefinition & Malformed => {
  const { metadata, spec, malformed }: Partial<CustomResourceDefinition> & Pick<KubeObject, 'metadata'> & Malformed =
    decodeDefinition(definition);
  const { name, uid, resourceVersion, generation, deletionTimestamp, managedFields, annotations } = metadata;
  return {
    metadata: definedOnly({
      name,
      uid,
      resourceVersion,
      generation,
      deletionTimestamp,
      managedFields,
      annotations: readKeys(annotations),
    }) as KubeObject['metadata'],
    spec: { group: spec?.group ?? '', names: spec?.names ?? { kind: '', plural: '' } },
    ...(malformed !== undefined && { malformed }),
  };
};

const decodeApiService = decoderOf<ApiService>(SHAPES.apiService);

/** Reduces an APIService to the service that it points to. */
export const reduceApiService = (apiService: ApiService): ApiService & Malformed => {
  const { metadata, spec, malformed } = decodeApiService(apiService);
  const { name, uid, resourceVersion, managedFields } = metadata;
  return {
    metadata: definedOnly({ name, uid, resourceVersion, managedFields }) as KubeObject['metadata'],
    spec: spec?.service === undefined ? {} : { service: spec.service },
    ...(malformed !== undefined && { malformed }),
  };
};

const decodeWebhookConfiguration = decoderOf<ValidatingWebhookConfiguration>(SHAPES.webhookConfiguration);

const reduceWebhook = (webhook: unknown): unknown => {
  if (!isPlain(webhook)) return webhook;
  const { name, rules, objectSelector, namespaceSelector, matchConditions } = webhook;
  return definedOnly({ name, rules, objectSelector, namespaceSelector, matchConditions });
};

/** Reduces a webhook configuration to the fields that say which requests a webhook is asked about. */
export const reduceWebhookConfiguration = (configuration: ValidatingWebhookConfiguration): ValidatingWebhookConfiguration & Malformed => {
  const { metadata, webhooks, malformed } = decodeWebhookConfiguration(configuration);
  const { name, uid, resourceVersion } = metadata;
  return {
    metadata: definedOnly({ name, uid, resourceVersion }) as KubeObject['metadata'],
    webhooks: Array.isArray(webhooks) ? webhooks.map(reduceWebhook) : webhooks,
    ...(malformed !== undefined && { malformed }),
  };
};

/** A namespace, reduced. */
export interface Namespace extends KubeObject, Malformed {
  /** Labels of this system that another field manager owns too; see {@link labelsHeldByOthers}. */
  readonly held?: readonly string[] | undefined;
}

const decodeNamespace = decoderOf<Namespace>(SHAPES.namespace);

/** Reduces a namespace to what this system reads. One whose labels cannot be read is there, without labels. */
export const reduceNamespace = (namespace: Namespace): Namespace => {
  const { metadata, malformed } = decodeNamespace(namespace);
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
    ...(malformed !== undefined && { malformed }),
  };
};

type Values = Readonly<Record<string, string>>;

/** Labels or annotations of a namespace that this system reads: tenants may fill the rest with 256 KiB, even under this system's prefix. */
const readNamespaceKeys = (values: Values | undefined): Values | undefined =>
  values && Object.fromEntries(READ_NAMESPACE_KEYS.flatMap((key) => (key in values ? [[key, values[key] ?? '']] : [])));

/** Labels or annotations of a policy or CRD under this system's prefix. */
const readKeys = (values: Values | undefined): Values | undefined =>
  values && Object.fromEntries(Object.entries(values).filter(([key]) => key.startsWith(KEY_PREFIX)));

const decodePolicy = decoderOf<SovereignPolicy>(SHAPES.policy);

/**
 * Keeps a policy whole in the agent's namespace, where the agent must know its writers; elsewhere drops metadata that others may add at will.
 * One whose spec cannot be read has none.
 */
export const reducePolicy = (whole: SovereignPolicy): SovereignPolicy & Malformed => {
  const policy = decodePolicy(whole);
  if (policy.metadata.namespace === SYSTEM_NAMESPACE) return policy;
  const { labels, annotations, managedFields: _, ownerReferences: _owners, ...metadata } = policy.metadata;
  const kept = definedOnly({ ...metadata, labels: readKeys(labels), annotations: readKeys(annotations) });
  return { ...policy, metadata: kept as SovereignPolicy['metadata'] };
};

const definedOnly = <T extends object>(object: T): T =>
  Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as T;

/** Decoders of the kinds that are kept whole. */
export const decodeAdmissionPolicy = decoderOf<ValidatingAdmissionPolicy>(SHAPES.admissionPolicy);
export const decodeAdmissionBinding = decoderOf<ValidatingAdmissionPolicyBinding>(SHAPES.admissionBinding);
export const decodeMutatingObject = decoderOf<KubeObject>(SHAPES.admissionBinding);
export const decodeParameters = decoderOf<FloorParameters>(SHAPES.parameters);
export const decodeTemplate = decoderOf<ConstraintTemplate>(SHAPES.template);
export const decodeConstraint = decoderOf<K8sGeoResidency>(SHAPES.constraint);

/** Whether reduced objects differ only in their version: a kubelet writes the status of its node and pods all the time. */
export const isSameNode = (a: Node, b: Node): boolean =>
  a.metadata.uid === b.metadata.uid && a.metadata.labels?.[REGION_LABEL] === b.metadata.labels?.[REGION_LABEL];

export const isSamePod = (a: Pod, b: Pod): boolean =>
  a.metadata.uid === b.metadata.uid &&
  a.status?.phase === b.status?.phase &&
  isDeepStrictEqual(a.spec, b.spec) &&
  isDeepStrictEqual(a.metadata.ownerReferences, b.metadata.ownerReferences);
