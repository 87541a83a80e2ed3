import type { KubeObject, ObjectMeta } from '@fso/shared/api';
import { truncate } from '@fso/shared/runtime';
import { z } from 'zod';
import { isPlain } from '../compare.ts';

/**
 * Decodes objects that others write. The API server does not check all fields of all kinds:
 * Gatekeeper's CRDs accept any status, a CRD may be changed, and an aggregated API may return
 * anything.
 *
 * An unreadable field is dropped. This must never release anything, so each kind defines how its
 * object counts without the field.
 */

/** Marks a cached object that has unreadable fields. */
export interface Malformed {
  /** Description of the unreadable fields, for people; absent if there are none. */
  readonly malformed?: string | undefined;
}

/** Error for an object without a readable name. It makes the whole list unusable. */
export class MalformedNameError extends Error {
  override readonly name = 'MalformedNameError';
}

const Text = z.string();
const Texts = z.array(Text);
const TextMap = z.record(Text, Text);
const AnyMap = z.record(Text, z.unknown());

const META = {
  uid: Text,
  resourceVersion: Text,
  generation: z.number(),
  creationTimestamp: Text,
  deletionTimestamp: Text,
  finalizers: Texts,
  labels: TextMap,
  annotations: TextMap,
  managedFields: z.array(
    z.looseObject({
      manager: Text.optional(),
      operation: Text.optional(),
      time: Text.optional(),
      subresource: Text.optional(),
      fieldsV1: AnyMap.optional(),
    }),
  ),
  ownerReferences: z.array(z.looseObject({ apiVersion: Text, kind: Text, name: Text, uid: Text, controller: z.boolean().nullish() })),
} as const satisfies Partial<Record<keyof ObjectMeta, z.ZodType>>;

const Requirement = z.looseObject({ key: Text, operator: Text, values: Texts.nullish() });
const Term = z.looseObject({ matchExpressions: z.array(Requirement).nullish(), matchFields: z.array(Requirement).nullish() });

/** Fields of a pod spec that decide on its node, except for tolerations. */
export const PodSpec = z.looseObject({
  nodeName: Text.nullish(),
  nodeSelector: TextMap.nullish(),
  affinity: z
    .looseObject({
      nodeAffinity: z
        .looseObject({
          requiredDuringSchedulingIgnoredDuringExecution: z
            .looseObject({ nodeSelectorTerms: z.array(Term.nullable()).nullish() })
            .nullish(),
        })
        .nullish(),
    })
    .nullish(),
});

const ScopedActions = z.array(z.looseObject({ action: Text, enforcementPoints: z.array(z.looseObject({ name: Text })) }));

/**
 * Checks only the types of the fields. Values that the CRD would refuse get messages of their own
 * (policy-problems.ts).
 */
const PolicySpec = z.looseObject({
  targetNamespace: Text,
  allowedRegions: Texts,
  enforcementAction: z.enum(['deny', 'warn', 'dryrun', 'custom']),
  scopedEnforcementActions: ScopedActions.optional(),
  placementInjection: z.boolean().optional(),
  expiryDate: Text.optional(),
  excludedNamespaces: Texts.optional(),
});

/** Fields of a local policy's spec that are read. */
export const POLICY_FIELDS: readonly string[] = Object.keys(PolicySpec.shape);

const HubPolicySpec = PolicySpec.extend({
  regionConflicts: z.array(z.looseObject({ providers: Texts, regions: Texts, from: Text.optional(), until: Text.optional() })).optional(),
});

const Lock = z.looseObject({ state: Text, since: Text, message: Text.optional() });

const PolicyStatus = z.looseObject({
  phase: Text.optional(),
  lastUpdated: Text.optional(),
  message: Text.optional(),
  constraintCreated: z.boolean().optional(),
  observedGeneration: z.number().optional(),
  conditions: z.array(z.looseObject({ type: Text, status: Text, reason: Text, message: Text, lastTransitionTime: Text })).optional(),
  namespaces: Texts.optional(),
  regions: Text.optional(),
  effectiveRegions: Texts.optional(),
  revision: Text.optional(),
  enforcement: z.looseObject({ admission: Lock, gatekeeper: Lock, binding: Lock }).optional(),
  violations: z.number().optional(),
});

const FloorParametersSpec = z.looseObject({
  nodes: TextMap.optional(),
  namespaces: z.record(Text, z.looseObject({ regions: Text, policies: Text, revisions: Text })).optional(),
  lists: TextMap.optional(),
  patterns: z.array(z.looseObject({ pattern: Text, excluded: Texts.optional(), policies: Text })).optional(),
  reach: Text.optional(),
});

const PodReports = z.array(
  z.looseObject({
    id: Text.optional(),
    observedGeneration: z.number().optional(),
    enforced: z.boolean().optional(),
    constraintUID: Text.optional(),
    templateUID: Text.optional(),
    operations: Texts.optional(),
    errors: z.array(z.looseObject({ code: Text.optional(), message: Text, location: Text.optional() })).optional(),
  }),
);

const ConstraintSpec = z.looseObject({
  enforcementAction: Text.optional(),
  scopedEnforcementActions: ScopedActions.optional(),
  match: z.looseObject({ namespaces: Texts.optional(), excludedNamespaces: Texts.optional() }).optional(),
  parameters: z
    .looseObject({
      regions: Texts.optional(),
      policies: Texts.optional(),
      trustedBinders: Texts.optional(),
      disputedNodes: Texts.optional(),
      disputedRegions: Texts.optional(),
      zones: Texts.optional(),
    })
    .optional(),
});

/** Metadata fields of a local policy that are read, in addition to its name and namespace. */
export const LOCAL_POLICY_METADATA = [
  'uid',
  'resourceVersion',
  'generation',
  'creationTimestamp',
  'deletionTimestamp',
  'finalizers',
] as const satisfies readonly (keyof typeof META)[];

/** Parts of a Kubernetes object that are read. A part without a schema is dropped. */
export interface Shape {
  /** Fields of the metadata that are read; default: all. */
  readonly metadata?: readonly (keyof typeof META)[];
  readonly spec?: z.ZodType;
  readonly status?: z.ZodType;
}

/**
 * Longest providerID that is kept, in characters. Cloud controllers write a few hundred at most.
 */
const MAX_PROVIDER_ID = 512;

/**
 * Schemas of the metadata, spec and status that the agent reads, by kind. A field that does not
 * match is dropped.
 */
export const SHAPES = {
  policy: { spec: HubPolicySpec, status: PolicyStatus },
  localPolicy: {
    metadata: LOCAL_POLICY_METADATA,
    spec: PolicySpec,
    status: PolicyStatus,
  },
  namespace: {},
  node: {
    metadata: ['uid', 'resourceVersion', 'labels'],
    spec: z.looseObject({
      taints: z.array(z.looseObject({ key: Text, value: Text.nullish(), effect: Text })).nullish(),
      unschedulable: z.boolean().nullish(),
      providerID: Text.max(MAX_PROVIDER_ID).nullish(),
    }),
  },
  pod: {
    metadata: ['uid', 'resourceVersion', 'ownerReferences'],
    spec: PodSpec,
    status: z.looseObject({ phase: Text.optional() }),
  },
  admissionPolicy: {
    spec: AnyMap,
    status: z.looseObject({
      typeChecking: z.looseObject({ expressionWarnings: z.array(z.looseObject({ fieldRef: Text, warning: Text })).nullish() }).nullish(),
    }),
  },
  admissionBinding: { spec: AnyMap },
  parameters: { spec: FloorParametersSpec },
  template: { spec: AnyMap, status: z.looseObject({ created: z.boolean().optional(), byPod: PodReports.optional() }) },
  constraint: {
    spec: ConstraintSpec,
    status: z.looseObject({ auditTimestamp: Text.optional(), totalViolations: z.number().optional(), byPod: PodReports.optional() }),
  },
  definition: { spec: z.looseObject({ group: Text, names: z.looseObject({ kind: Text, plural: Text }) }) },
  /** Metadata only: webhooks may have any shape and are validated in webhook-configuration.ts. */
  webhookConfiguration: { metadata: ['uid', 'resourceVersion'] },
  apiService: { spec: z.looseObject({ service: z.looseObject({}).nullish() }) },
} as const satisfies Record<string, Shape>;

const problemOf = (path: string, error: z.ZodError): string => {
  const [issue] = error.issues;
  const where = [path, ...(issue?.path ?? []).map(String)].join('.');
  return `${where}: ${issue?.message ?? 'cannot be read'}`;
};

/** Reads the fields of one object. Fields that do not match are dropped and noted. */
const readFields = (raw: Readonly<Record<string, unknown>>, schemas: Readonly<Record<string, z.ZodType>>, path: string) => {
  const problems: string[] = [];
  const bad: string[] = [];
  for (const [name, schema] of Object.entries(schemas)) {
    const value = raw[name];
    if (value === undefined) continue;
    // Servers write null for absent fields.
    const result = value === null ? undefined : schema.safeParse(value);
    if (result?.success === true) continue;
    bad.push(name);
    if (result !== undefined) problems.push(problemOf(`${path}${name}`, result.error));
  }
  return { problems, bad };
};

const without = (object: object, names: readonly string[]): object =>
  names.length === 0 ? object : Object.fromEntries(Object.entries(object).filter(([name]) => !names.includes(name)));

const metaSchemas = (names: Shape['metadata']): Readonly<Record<string, z.ZodType>> =>
  names === undefined ? META : Object.fromEntries(names.map((name) => [name, META[name]]));

const isName = (value: unknown): boolean => typeof value === 'string' && value !== '';

const isNamed = (metadata: unknown): metadata is Readonly<Record<string, unknown>> =>
  isPlain(metadata) && isName(metadata['name']) && (metadata['namespace'] === undefined || isName(metadata['namespace']));

/**
 * Creates a decoder for objects of one kind. An object whose fields all match is returned
 * unchanged.
 *
 * @throws MalformedNameError if an object has no name
 */
export const decoderOf = <T extends KubeObject>(shape: Shape): ((object: T) => T & Malformed) => {
  const metadataSchemas = metaSchemas(shape.metadata);
  const bodySchemas = { ...(shape.spec && { spec: shape.spec }), ...(shape.status && { status: shape.status }) };
  return (object) => {
    const raw: unknown = object;
    const metadata = isPlain(raw) ? raw['metadata'] : undefined;
    if (!isPlain(raw) || !isNamed(metadata)) throw new MalformedNameError('an object has no readable name');
    const meta = readFields(metadata, metadataSchemas, 'metadata.');
    const body = readFields(raw, bodySchemas, '');
    if (meta.bad.length + body.bad.length === 0) return object;
    const problems = [...meta.problems, ...body.problems];
    const readable = { ...without(raw, body.bad), metadata: without(metadata, meta.bad) };
    return { ...readable, ...(problems.length > 0 && { malformed: truncate(problems.join('; '), MAX_PROBLEM) }) } as T & Malformed;
  };
};

const MAX_PROBLEM = 500;
