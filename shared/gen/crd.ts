import { z } from 'zod';
import {
  API_GROUP,
  ClusterPolicySpec,
  FloorParametersSpec,
  Region,
  SCHEMA_VERSION_ANNOTATION,
  SovereignPolicyStatus,
} from '../api/index.ts';

interface PrinterColumn {
  readonly name: string;
  readonly type: 'string' | 'integer' | 'date' | 'boolean';
  readonly jsonPath: string;
  readonly description: string;
  /** 1: shown with `-o wide` only. */
  readonly priority?: 1;
}

const COLUMNS: readonly PrinterColumn[] = [
  { name: 'Namespace', type: 'string', jsonPath: '.spec.targetNamespace', description: 'Namespace, or glob, that is governed.' },
  { name: 'Regions', type: 'string', jsonPath: '.status.regions', description: 'Regions in which pods may run.' },
  { name: 'Action', type: 'string', jsonPath: '.spec.enforcementAction', description: 'What happens to a violating pod.' },
  { name: 'Phase', type: 'string', jsonPath: '.status.phase', description: 'Whether the policy is in force.' },
  { name: 'Violations', type: 'integer', jsonPath: '.status.violations', description: 'Pods that violate the policy now.' },
  { name: 'Revision', type: 'string', jsonPath: '.status.revision', description: 'Git commit; empty for a local policy.' },
  { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp', description: 'Since when the policy is here.' },
  { name: 'Admission', type: 'string', jsonPath: '.status.enforcement.admission.state', description: 'Lock 1 at admission.', priority: 1 },
  { name: 'Binding', type: 'string', jsonPath: '.status.enforcement.binding.state', description: 'Lock 1 at binding.', priority: 1 },
  { name: 'Gatekeeper', type: 'string', jsonPath: '.status.enforcement.gatekeeper.state', description: 'Lock 2.', priority: 1 },
  { name: 'Expires', type: 'string', jsonPath: '.spec.expiryDate', description: 'When the policy ends.', priority: 1 },
  { name: 'Message', type: 'string', jsonPath: '.status.message', description: 'What to know about the phase.', priority: 1 },
];

/**
 * Rules of the spec that a schema cannot express
 * (https://kubernetes.io/docs/reference/using-api/cel/).
 */
const SPEC_RULES: readonly StructuralSchema[] = [
  {
    rule: "self.enforcementAction != 'custom' || (has(self.scopedEnforcementActions) && size(self.scopedEnforcementActions) > 0)",
    message: 'enforcementAction custom needs scopedEnforcementActions',
    fieldPath: '.enforcementAction',
  },
  {
    rule: "self.enforcementAction == 'custom' || !has(self.scopedEnforcementActions)",
    message: 'scopedEnforcementActions needs enforcementAction custom',
    fieldPath: '.scopedEnforcementActions',
  },
  {
    rule: "self.allowedRegions.all(region, !region.startsWith('group:'))",
    message: 'a cluster knows no region groups, only the policy repository does: name the regions themselves',
    fieldPath: '.allowedRegions',
  },
];

/**
 * Limits of the labels in a placement. Clusters ignore placements, but users of a namespace must
 * not store a megabyte of them in each policy.
 */
const SELECTED_LABELS: StructuralSchema = {
  maxProperties: 64,
  'x-kubernetes-validations': [{ rule: 'self.all(key, size(key) <= 317)', message: 'a label key has at most 317 characters' }],
};

const specSchema = (): StructuralSchema => {
  const schema = structuralSchema(ClusterPolicySpec);
  const regions = schema.properties?.['allowedRegions'];
  // Groups exist only in the policy repository. The CEL rule above also refuses them, with a
  // clearer message.
  if (regions !== undefined) regions.items = structuralSchema(Region);
  const selected = schema.properties?.['placement']?.properties?.['clusterSelector']?.properties?.['matchLabels'];
  if (selected !== undefined) Object.assign(selected, SELECTED_LABELS);
  return { ...schema, 'x-kubernetes-validations': SPEC_RULES };
};

const statusSchema = (): StructuralSchema => {
  const schema = structuralSchema(SovereignPolicyStatus);
  const conditions = schema.properties?.['conditions'];
  // One entry for each type, so that server-side apply merges them by type.
  if (conditions !== undefined) Object.assign(conditions, { 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['type'] });
  return {
    ...schema,
    description: 'What the agent of this cluster made of the policy.',
    // A policy that no agent has seen yet must not look finished to tools that compare the
    // generations.
    default: { observedGeneration: -1 },
  };
};

/** The schemas of a SovereignPolicy's `spec` and `status`. */
export const sovereignPolicySchemas = (): { readonly spec: StructuralSchema; readonly status: StructuralSchema } => ({
  spec: specSchema(),
  status: statusSchema(),
});

/**
 * Version of the schemas of all kinds. Raise it with each release that changes one (`crd.test.ts`
 * fails otherwise): an agent of an older version leaves a newer schema as it is. A newer schema
 * must accept everything that an older version writes.
 */
const SCHEMA_VERSION = 1;

interface CustomKind {
  readonly plural: string;
  readonly scope: 'Namespaced' | 'Cluster';
  readonly names: { readonly kind: string; readonly shortNames?: readonly string[]; readonly categories?: readonly string[] };
  readonly version: StructuralSchema;
  readonly description: string;
  readonly properties: Readonly<Record<string, StructuralSchema>>;
}

const definition = ({ plural, scope, names: { kind, ...names }, version, description, properties }: CustomKind): object => ({
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: `${plural}.${API_GROUP}`, annotations: { [SCHEMA_VERSION_ANNOTATION]: String(SCHEMA_VERSION) } },
  spec: {
    group: API_GROUP,
    scope,
    names: { kind, listKind: `${kind}List`, plural, singular: kind.toLowerCase(), ...names },
    versions: [
      {
        name: 'v1',
        served: true,
        storage: true,
        ...version,
        schema: {
          openAPIV3Schema: {
            description,
            type: 'object',
            required: ['spec'],
            properties: { apiVersion: { type: 'string' }, kind: { type: 'string' }, metadata: { type: 'object' }, ...properties },
          },
        },
      },
    ],
  },
});

/**
 * Returns the CRD of the policies in a workload cluster. The other kinds of a repository exist only
 * in Git.
 */
export const sovereignPolicyCrd = (): object =>
  definition({
    plural: 'sovereignpolicies',
    scope: 'Namespaced',
    names: { kind: 'SovereignPolicy', shortNames: ['sp'], categories: ['compliance'] },
    version: { subresources: { status: {} }, additionalPrinterColumns: COLUMNS },
    description: 'Governs in which regions the pods of a namespace may run.',
    properties: sovereignPolicySchemas(),
  });

/** Returns the CRD of the parameters that lock 1 reads besides the namespaces. */
export const floorParametersCrd = (): object =>
  definition({
    plural: 'floorparameters',
    scope: 'Cluster',
    names: { kind: 'FloorParameters' },
    version: {},
    description: 'What the admission policies of lock 1 know of nodes and namespaces. Written by the agent alone.',
    properties: { spec: structuralSchema(FloorParametersSpec) },
  });

/** JSONSchemaProps of apiextensions.k8s.io/v1, as far as this project uses them. */
export interface StructuralSchema {
  type?: string;
  format?: string;
  pattern?: string;
  properties?: Record<string, StructuralSchema>;
  items?: StructuralSchema;
  additionalProperties?: unknown;
  [keyword: string]: unknown;
}

/** RFC 3339 with a valid offset. The format `date-time` accepts any two digits in an offset. */
const RFC3339 = String.raw`^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)$`;

/**
 * Converts a zod schema to a structural schema, as `openAPIV3Schema` requires.
 *
 * @see
 * https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema
 */
export const structuralSchema = (schema: z.ZodType): StructuralSchema => {
  const generated = z.toJSONSchema(schema, {
    target: 'openapi-3.0',
    io: 'input',
    override: ({ jsonSchema }) => {
      adapt(jsonSchema as StructuralSchema);
    },
  }) as StructuralSchema;
  delete generated['$schema'];
  return generated;
};

const adapt = (schema: StructuralSchema): void => {
  // The API server prunes unknown fields (and kubectl refuses them), so a structural schema neither
  // needs nor allows `additionalProperties: false`.
  if (schema.additionalProperties === false) delete schema.additionalProperties;
  delete schema['propertyNames'];
  if (schema.type === 'integer') {
    // The bounds of JavaScript's safe integers are not part of the API.
    if (schema['minimum'] === Number.MIN_SAFE_INTEGER) delete schema['minimum'];
    if (schema['maximum'] === Number.MAX_SAFE_INTEGER) delete schema['maximum'];
    schema.format = 'int64';
  }
  // Zod's own pattern fills half a screen of an error message.
  if (schema.format === 'date-time') schema.pattern = RFC3339;
  if (schema.format === 'date') delete schema.pattern;
};
