import { describe, expect, it } from 'vitest';
import { SCHEMA_VERSION_ANNOTATION } from '../api/index.ts';
import { sha256 } from '../encoding/index.ts';
import { floorParametersCrd, sovereignPolicyCrd } from './crd.ts';
import { PRODUCERS } from './producers.ts';

type Json = Readonly<Record<string, unknown>>;
const isObject = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value);

/** Every schema within a schema, itself included. */
const schemasIn = (schema: unknown): readonly Json[] => {
  if (!isObject(schema)) return [];
  const properties = isObject(schema['properties']) ? Object.values(schema['properties']) : [];
  return [schema, ...[...properties, schema['items'], schema['additionalProperties']].flatMap(schemasIn)];
};

describe('sovereignPolicyCrd', () => {
  const crd = sovereignPolicyCrd() as {
    spec: { versions: [{ schema: { openAPIV3Schema: Json }; additionalPrinterColumns: { name: string; priority?: number }[] }] };
  };
  const [version] = crd.spec.versions;
  const schemas = schemasIn(version.schema.openAPIV3Schema);

  it('is structural: each schema has one type, nothing that Kubernetes does not take', () => {
    const refused = ['$ref', '$schema', 'propertyNames', 'const', 'exclusiveMinimum', 'oneOf', 'anyOf', 'allOf', 'definitions', 'nullable'];
    expect(schemas.length).toBeGreaterThan(30);
    for (const schema of schemas) {
      expect(typeof schema['type']).toBe('string');
      expect(Object.keys(schema).filter((keyword) => refused.includes(keyword))).toEqual([]);
      expect(schema['additionalProperties']).not.toBe(false);
      expect(isObject(schema['properties']) && 'additionalProperties' in schema).toBe(false);
    }
  });

  it('bounds every string and list that a CEL rule reads', () => {
    const spec = (version.schema.openAPIV3Schema['properties'] as Json)['spec'] as { properties: Json };
    expect(spec.properties['allowedRegions']).toMatchObject({ maxItems: 100, items: { maxLength: 63 } });
    expect(spec.properties['scopedEnforcementActions']).toMatchObject({ maxItems: 10 });
  });

  it('shows the columns people look for', () => {
    const shown = version.additionalPrinterColumns.filter(({ priority }) => priority === undefined).map(({ name }) => name);
    expect(shown).toEqual(['Namespace', 'Regions', 'Action', 'Phase', 'Violations', 'Revision', 'Age']);
  });
});

/**
 * Hash of the schemas, without their texts, by their number. One that was released never changes;
 * before that, correct its hash.
 */
const SCHEMAS: Readonly<Record<string, string>> = { '1': '7e1a924bce06ab15' };

it('a schema that changes gets the next number', () => {
  const crds = [sovereignPolicyCrd(), floorParametersCrd()] as { metadata: { annotations: Json }; spec: unknown }[];
  const [number] = new Set(crds.map(({ metadata }) => metadata.annotations[SCHEMA_VERSION_ANNOTATION]));
  const withoutTexts = JSON.stringify(
    crds.map(({ spec }) => spec),
    (key, value: unknown) => (key === 'description' && typeof value === 'string' ? undefined : value),
  );
  expect(SCHEMAS[String(number)]).toBe(sha256(withoutTexts).slice(0, 16));
});

describe('PRODUCERS', () => {
  it('make the same files every time, none of them twice', () => {
    const files = PRODUCERS.flatMap((produce) => produce());
    expect(PRODUCERS.flatMap((produce) => produce())).toEqual(files);
    expect(new Set(files.map(({ path }) => path)).size).toBe(files.length);
    expect(files.map(({ path }) => path)).toContain('crds/schemas/rolloutstrategy.json');
  });
});
