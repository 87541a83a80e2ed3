import { stringify } from 'yaml';
import { z } from 'zod';
import {
  ManagedClusterDocument,
  PolicyScopeDocument,
  RegionCatalogDocument,
  RegionGroupDocument,
  RolloutStrategyDocument,
  SovereignPolicyDocument,
} from '../api/index.ts';
import { chartFiles } from './charts.ts';
import { floorParametersCrd, type StructuralSchema, sovereignPolicyCrd, sovereignPolicySchemas } from './crd.ts';
import type { Generated } from './generate.ts';
import { formatTable, referencePage } from './markdown.ts';

type Producer = () => readonly Generated[];

const crds: Producer = () =>
  Object.entries({ sovereignpolicies: sovereignPolicyCrd(), floorparameters: floorParametersCrd() }).map(([plural, crd]) => ({
    path: `crds/${plural}.yaml`,
    content: `# Generated from shared/api by npm run gen. Do not edit.\n${stringify(crd, { lineWidth: 0, aliasDuplicateObjects: false })}`,
  }));

/**
 * JSON Schemas of the documents in a policy repository, for editors
 * (`# yaml-language-server: $schema=…`).
 */
const editorSchemas: Producer = () =>
  Object.entries({
    SovereignPolicy: SovereignPolicyDocument,
    PolicyScope: PolicyScopeDocument,
    ManagedCluster: ManagedClusterDocument,
    RegionCatalog: RegionCatalogDocument,
    RegionGroup: RegionGroupDocument,
    RolloutStrategy: RolloutStrategyDocument,
  }).map(([title, schema]) => ({
    path: `crds/schemas/${title.toLowerCase()}.json`,
    content: `${JSON.stringify({ title, ...z.toJSONSchema(schema, { target: 'draft-7', io: 'input' }) }, null, 2)}\n`,
  }));

const typeOf = (schema: StructuralSchema): string => {
  const { type, items } = schema;
  const values = schema['enum'] as readonly unknown[] | undefined;
  if (values !== undefined) return values.map((value) => `\`${String(value)}\``).join(', ');
  return items === undefined ? String(type) : `list of ${items['enum'] === undefined ? String(items.type) : typeOf(items)}`;
};

const describeField = (path: string, schema: StructuralSchema): readonly string[] => {
  const fallback = schema['default'] === undefined ? '' : ` Default: \`${String(schema['default'])}\`.`;
  return [`\`${path}\``, typeOf(schema), `${(schema['description'] as string | undefined) ?? ''}${fallback}`];
};

/** A field, and those below it, unless they are entries of a map. */
const listFields = (path: string, schema: StructuralSchema): readonly (readonly string[])[] => {
  const below = Object.entries(schema.properties ?? schema.items?.properties ?? {});
  const parent = schema.items === undefined ? path : `${path}[]`;
  return [describeField(path, schema), ...below.flatMap(([name, child]) => listFields(`${parent}.${name}`, child))];
};

const policyReference: Producer = () => {
  const parts = sovereignPolicySchemas();
  const tables = Object.entries(parts).map(([name, { properties = {}, required = [] }]: [string, StructuralSchema]) => {
    const rows = Object.entries(properties).flatMap(([field, schema]) => listFields(field, schema));
    const needed =
      (required as readonly string[]).length === 0
        ? []
        : [`Needed: ${(required as readonly string[]).map((field) => `\`${field}\``).join(', ')}.`];
    return [`## ${name}`, ...needed, formatTable(['field', 'type', 'meaning'], rows)].join('\n\n');
  });
  const intro = 'The kind `SovereignPolicy` of `compliance.federated.io/v1`, as [its CRD](../../crds/sovereignpolicies.yaml) has it.';
  const groups =
    'In a policy repository `allowedRegions` may also hold references to places ([residency.md](../residency.md#regions-and-places)), and nothing sets `regionConflicts`: hub and agent derive it.';
  return [referencePage('sovereignpolicy', 'SovereignPolicy', intro, groups, ...tables)];
};

export const PRODUCERS: readonly Producer[] = [crds, editorSchemas, policyReference, chartFiles];
