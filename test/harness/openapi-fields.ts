import type { KindDescriptor, KubeClient } from '@fso/shared/kube';

/** Part of an OpenAPI v3 schema that describes fields. */
interface Schema {
  readonly $ref?: string;
  readonly allOf?: readonly Schema[];
  readonly type?: string;
  readonly enum?: readonly unknown[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: Schema | boolean;
  readonly items?: Schema;
  readonly 'x-kubernetes-group-version-kind'?: readonly { readonly kind: string }[];
}

interface Document {
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> };
}

/** Field below `spec`, with sample values. */
export interface Field {
  readonly path: readonly string[];
  readonly samples: readonly unknown[];
}

/** Sample values by field name, for fields whose type does not determine any. */
const NAMED: Readonly<Record<string, readonly unknown[]>> = {
  apiVersion: ['v1'],
  kind: ['ConfigMap'],
  operator: ['Exists'],
  expression: ['false'],
  valueExpression: ["'x'"],
  matchExpressions: [[{ key: 'a', operator: 'Exists' }]],
  operations: [['DELETE']],
  apiGroups: [['apps']],
  apiVersions: [['v1']],
  resources: [['deployments']],
  jsonPatch: [{ expression: '[]' }],
  paramRef: [{ name: 'x', namespace: 'default', parameterNotFoundAction: 'Allow' }],
  validations: [[{ expression: 'true' }]],
  code: [[{ engine: 'Rego', source: { rego: 'package x' } }]],
};
const WORDS = ['x', 'Allow', 'Deny', 'Ignore', 'Fail', 'Exact', 'Never', 'Cluster', 'Original', 'deny', 'dryrun'];

/** Returns every field that the API server documents for the `spec` of a kind. */
export const specFieldsOf = async (client: KubeClient, kind: KindDescriptor, signal: AbortSignal): Promise<readonly Field[]> => {
  const path = `/openapi/v3/apis/${kind.apiVersion}`;
  const { components } = (await client.raw<Document>({ method: 'GET', path }, signal)).object;
  const resolve = (schema: Schema): Schema => {
    const ref = schema.$ref ?? schema.allOf?.[0]?.$ref;
    return ref === undefined ? schema : (components.schemas[ref.split('/').at(-1) ?? ''] ?? {});
  };
  const own = Object.values(components.schemas).find((schema) =>
    schema['x-kubernetes-group-version-kind']?.some((candidate) => candidate.kind === kind.kind),
  );
  return fieldsBelow(resolve(own?.properties?.['spec'] ?? {}), [], resolve);
};

const fieldsBelow = (schema: Schema, path: readonly string[], resolve: (schema: Schema) => Schema): readonly Field[] =>
  Object.entries(schema.properties ?? {}).flatMap(([name, property]) => {
    const found = resolve(property);
    const here: Field = { path: [...path, name], samples: samplesOf(found, name, resolve) };
    // Recursive schemas have no end.
    return found.type === 'object' && path.length < 6 ? [here, ...fieldsBelow(found, here.path, resolve)] : [here];
  });

const samplesOf = (schema: Schema, name: string, resolve: (schema: Schema) => Schema): readonly unknown[] => {
  const named = NAMED[name];
  if (named !== undefined) return named;
  if (schema.enum !== undefined) return schema.enum;
  switch (schema.type) {
    case 'boolean':
      return [true, false];
    case 'integer':
    case 'number':
      return [7];
    case 'array':
      return samplesOf(resolve(schema.items ?? {}), '', resolve).map((item) => [item]);
    case 'object':
      return objectSamples(schema, resolve);
    default:
      return WORDS;
  }
};

const objectSamples = (schema: Schema, resolve: (schema: Schema) => Schema): readonly unknown[] => {
  const properties = Object.entries(schema.properties ?? {});
  if (properties.length === 0) return [{ x: 'x' }, { x: { type: 'string' } }];
  const parts = properties.map(([name, property]) => [name, samplesOf(resolve(property), name, resolve)[0]] as const);
  return [Object.fromEntries(parts), ...parts.map((part) => Object.fromEntries([part]))];
};
