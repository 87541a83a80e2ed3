import { z } from 'zod';

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

/** The format `date-time` looks at the date and the time of day, but takes any two digits in an offset. */
const RFC3339 = String.raw`^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)$`;

/**
 * The structural schema of a zod schema: what Kubernetes takes as `openAPIV3Schema`.
 *
 * @see https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema
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
  // Unknown fields are pruned by the API server (and refused by kubectl), so "no others" is neither needed nor allowed.
  if (schema.additionalProperties === false) delete schema.additionalProperties;
  delete schema['propertyNames'];
  if (schema.type === 'integer') {
    // The bounds of JavaScript's safe integers are no rule of the API.
    if (schema['minimum'] === Number.MIN_SAFE_INTEGER) delete schema['minimum'];
    if (schema['maximum'] === Number.MAX_SAFE_INTEGER) delete schema['maximum'];
    schema.format = 'int64';
  }
  // Zod's own pattern fills half a screen of an error message.
  if (schema.format === 'date-time') schema.pattern = RFC3339;
};
