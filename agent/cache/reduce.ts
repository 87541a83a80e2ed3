import { isDeepStrictEqual } from 'node:util';
import { type FloorParameters, KEY_PREFIX, type KubeObject, NAMESPACES_PARAMETERS, NODES_PARAMETERS } from '@fso/shared/api';
import type {
  ApiService,
  ConstraintTemplate,
  CustomResourceDefinition,
  K8sGeoResidency,
  KindDescriptor,
  ValidatingAdmissionPolicy,
  ValidatingAdmissionPolicyBinding,
  ValidatingWebhookConfiguration,
} from '@fso/shared/kube';
import { type PlacementSpec, type PodPlacement, reducePlacement, schedulableRegions } from '@fso/shared/residency';
import { memoByText, weakMemo } from '@fso/shared/runtime';
import { definedOnly, isPlain } from '../compare.ts';
import { isOwnConstraint, type NamespaceInput, READ_NAMESPACE_KEYS } from '../enforce/index.ts';
import { reduceConstraintStatus } from './constraint-status.ts';
import { decoderOf, type Malformed, SHAPES, type Shape } from './decode.ts';
import { labelsHeldByOthers, specFields, withSpecFields } from './managed-fields.ts';

/** Controller of a pod. */
export interface PodController {
  readonly kind: string;
  readonly name: string;
}

/** A pod, reduced to its placement constraints, its node, its phase and its controller. */
export interface Pod extends KubeObject {
  spec: PlacementSpec;
  status?: { phase?: string };
  /** Shared by all pods of one controller. */
  readonly controller?: PodController;
}

/** Kind of pods, reduced by {@link reducePod}. */
export const POD_KIND: KindDescriptor<Pod> = { apiVersion: 'v1', kind: 'Pod', plural: 'pods', namespaced: true };

/** Page size of pod lists: pods are the largest objects, and their number is unlimited. */
export const POD_PAGE = 50;

// A cluster may have tens of thousands of pods, so objects are reduced to what the agent reads.

const decodePod = decoderOf<Pod>(SHAPES.pod);

const internController = memoByText(
  (kind: string, name: string) => `${kind}/${name}`,
  (kind, name): PodController => ({ kind, name }),
);

const controllerOf = (owners: KubeObject['metadata']['ownerReferences']): PodController | undefined => {
  const owner = (Array.isArray(owners) ? owners : []).find((each) => each?.controller === true);
  return owner && internController(String(owner.kind).slice(0, 63), String(owner.name).slice(0, 253));
};

/**
 * Reduces a pod to the fields that decisions and reports read. A pod with an unreadable spec counts
 * as one without any constraints.
 */
export const reducePod = (pod: Pod): Pod & Malformed => {
  const { metadata, spec = {}, status, malformed }: Partial<Pod> & Pick<Pod, 'metadata'> & Malformed = decodePod(pod);
  const { name, namespace, uid, resourceVersion, ownerReferences } = metadata;
  const { ownerReferences: owners, ...placement } = reducePlacement(ownerReferences === undefined ? spec : { ...spec, ownerReferences });
  const controller = controllerOf(ownerReferences);
  const reduced = {
    metadata: definedOnly({ name, namespace, uid, resourceVersion, ownerReferences: owners }) as Pod['metadata'],
    spec: placement,
    status: definedOnly({ phase: status?.phase }) as Pod['status'] & object,
    ...(controller !== undefined && { controller }),
    ...(malformed !== undefined && { malformed }),
  };
  // Judges large affinities page by page, as all of them in one reconcile would block the agent.
  if (placement.affinity !== undefined) regionsOf(reduced);
  return reduced;
};

/** Placement that a pod asks for, without the node that it runs on. */
export const placementOf = ({ metadata, spec: { nodeName: _, ...placement } }: Pod): PodPlacement =>
  metadata.ownerReferences === undefined ? placement : { ...placement, ownerReferences: metadata.ownerReferences };

/**
 * Regions in which a pod may be scheduled by its own constraints; memoized, see
 * {@link schedulableRegions}.
 */
export const regionsOf: (pod: Pod) => readonly string[] | undefined = weakMemo((pod: Pod) => schedulableRegions(placementOf(pod)));

const decodeDefinition = decoderOf<CustomResourceDefinition>(SHAPES.definition);

/**
 * Reduces a CRD to its versions and writers. The spec is not needed: the API server counts its
 * changes in `metadata.generation`.
 */
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
      managedFields: specFields(managedFields),
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
    metadata: definedOnly({ name, uid, resourceVersion, managedFields: specFields(managedFields) }) as KubeObject['metadata'],
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

/** Reduces a webhook configuration to the fields that select the requests of a webhook. */
export const reduceWebhookConfiguration = (configuration: ValidatingWebhookConfiguration): ValidatingWebhookConfiguration & Malformed => {
  const { metadata, webhooks, malformed } = decodeWebhookConfiguration(configuration);
  const { name, uid, resourceVersion } = metadata;
  return {
    metadata: definedOnly({ name, uid, resourceVersion }) as KubeObject['metadata'],
    webhooks: Array.isArray(webhooks) ? webhooks.map(reduceWebhook) : webhooks,
    ...(malformed !== undefined && { malformed }),
  };
};

/** Namespace, reduced to the labels and annotations that the agent reads. */
export interface Namespace extends KubeObject, Malformed {
  /** Labels of this system that another field manager owns too; see {@link labelsHeldByOthers}. */
  readonly held?: readonly string[] | undefined;
}

const decodeNamespace = decoderOf<Namespace>(SHAPES.namespace);

/**
 * Reduces a namespace to what this system reads. A namespace with unreadable labels is kept without
 * labels.
 */
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

/**
 * Keeps the labels or annotations of a namespace that this system reads. Tenants may fill the rest
 * with 256 KiB, even under this system's prefix.
 */
const readNamespaceKeys = (values: Values | undefined): Values | undefined =>
  values && Object.fromEntries(READ_NAMESPACE_KEYS.flatMap((key) => (key in values ? [[key, values[key] ?? '']] : [])));

/** Keeps the labels of a constraint, or annotations of a CRD, under this system's prefix. */
const readKeys = (values: Values | undefined): Values | undefined =>
  values && Object.fromEntries(Object.entries(values).filter(([key]) => key.startsWith(KEY_PREFIX)));

/** Creates a reader that keeps objects whole, except for the managed fields of the status. */
const wholeReaderOf = <T extends KubeObject>(shape: Shape): ((object: T) => T & Malformed) => {
  const decode = decoderOf<T>(shape);
  return (object) => withSpecFields(decode(object));
};

/** Reads a ValidatingAdmissionPolicy down to the fields that the agent compares. */
export const reduceAdmissionPolicy = wholeReaderOf<ValidatingAdmissionPolicy>(SHAPES.admissionPolicy);
/** Reads a ValidatingAdmissionPolicyBinding down to the fields that the agent compares. */
export const reduceAdmissionBinding = wholeReaderOf<ValidatingAdmissionPolicyBinding>(SHAPES.admissionBinding);
/** Reads a MutatingAdmissionPolicy or its binding, of which the agent compares the same fields. */
export const reduceMutatingObject = wholeReaderOf<KubeObject>(SHAPES.admissionBinding);
/** Reads a ConstraintTemplate down to the fields that the agent compares. */
export const reduceTemplate = wholeReaderOf<ConstraintTemplate>(SHAPES.template);

const readParameters = wholeReaderOf<FloorParameters>(SHAPES.parameters);

/**
 * Keeps the objects of lock 1. Of other objects of the kind, which nothing reads, only the name is
 * kept.
 */
export const reduceParameters = (parameters: FloorParameters): FloorParameters & Malformed => {
  const read = readParameters(parameters);
  if (PARAMETERS.has(read.metadata.name)) return read;
  const { name, uid, resourceVersion } = read.metadata;
  return { metadata: definedOnly({ name, uid, resourceVersion }) as KubeObject['metadata'], spec: {} };
};

const PARAMETERS: ReadonlySet<string> = new Set([NAMESPACES_PARAMETERS, NODES_PARAMETERS]);

const decodeConstraint = decoderOf<K8sGeoResidency>(SHAPES.constraint);

/**
 * Keeps the spec of this system's constraints and the part of their status that serves as proof,
 * but not the violations that an audit lists. Of other constraints only the name is kept.
 */
export const reduceConstraint = (constraint: K8sGeoResidency): K8sGeoResidency & Malformed => {
  const { metadata, status, ...rest } = decodeConstraint(constraint);
  const { name, uid, resourceVersion, generation, deletionTimestamp, labels, managedFields } = metadata;
  if (!isOwnConstraint(constraint)) return { metadata: definedOnly({ name, uid, resourceVersion }) as KubeObject['metadata'] };
  const versions = { uid, resourceVersion, generation, deletionTimestamp };
  return {
    ...rest,
    metadata: definedOnly({
      name,
      ...versions,
      labels: readKeys(labels),
      managedFields: specFields(managedFields),
    }) as KubeObject['metadata'],
    ...(status !== undefined && { status: reduceConstraintStatus(status) }),
  };
};

/** Whether two versions of a pod are equal in everything that is judged: spec, phase and owners. */
export const isSamePod = (a: Pod, b: Pod): boolean =>
  a.metadata.uid === b.metadata.uid &&
  a.status?.phase === b.status?.phase &&
  isDeepStrictEqual(a.spec, b.spec) &&
  isDeepStrictEqual(a.metadata.ownerReferences, b.metadata.ownerReferences);

/** Converts a Namespace to the input of plans. Memoized by identity. */
export const toNamespaceInput = weakMemo(
  ({ metadata, held }: Namespace): NamespaceInput => ({
    name: metadata.name,
    terminating: metadata.deletionTimestamp !== undefined,
    labels: metadata.labels ?? {},
    annotations: metadata.annotations ?? {},
    held,
  }),
);
