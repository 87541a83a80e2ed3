import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isMap, isNode, isScalar, type Pair, parse, parseDocument, stringify, type YAMLMap } from 'yaml';
import { z } from 'zod';
import {
  ManagedClusterDocument,
  PolicyScopeDocument,
  RegionCatalogDocument,
  RegionGroupDocument,
  RolloutStrategyDocument,
  SovereignPolicyDocument,
} from '../api/index.ts';
import { Plan } from '../effects/index.ts';
import { floorParametersCrd, type StructuralSchema, sovereignPolicyCrd, sovereignPolicySchemas } from './crd.ts';
import type { Generated } from './generate.ts';
import { formatTable, referencePage } from './markdown.ts';

const FOLDER = 'deploy/charts';
const root = join(import.meta.dirname, '..', '..');

interface Chart {
  readonly name: string;
  readonly description: string;
  readonly version: string;
  readonly appVersion: string;
  readonly kubeVersion: string;
}

/** Joins the lines of a comment to one text. */
const textOf = (comment: string | null | undefined): string =>
  (comment ?? '')
    .split('\n')
    .map((line) => line.trim())
    .join(' ')
    .trim();

/** Comment before a key. The parser keeps the one before the first key of a map at the map. */
const commentOf = (map: YAMLMap, { key }: Pair, index: number): string =>
  textOf((isScalar(key) ? key.commentBefore : undefined) ?? (index === 0 ? map.commentBefore : undefined));

/** Returns a row for each value, and one for each map of values that has a comment. */
const rowsOf = (map: YAMLMap, path = ''): string[][] =>
  map.items.flatMap((pair, index) => {
    const { key, value } = pair;
    const name = `${path}${String(key)}`;
    const comment = commentOf(map, pair, index);
    if (isMap(value) && value.flow !== true)
      return [...(comment === '' ? [] : [[`\`${name}\``, '', comment]]), ...rowsOf(value as YAMLMap, `${name}.`)];
    return [[`\`${name}\``, `\`${JSON.stringify(isNode(value) ? value.toJSON() : value)}\``, comment]];
  });

const readmeOf = ({ name, description, version, appVersion, kubeVersion }: Chart, values: string): string => {
  const { contents } = parseDocument(values);
  if (!isMap(contents)) throw new Error(`the values of ${name} are no map`);
  return `# ${name}

Generated from \`Chart.yaml\` and \`values.yaml\` by \`npm run gen\`: do not edit.

${description}.
Chart ${version}, of version ${appVersion}; Kubernetes \`${kubeVersion}\`.
How to install it: [docs/operate/install.md](../../../docs/operate/install.md).
A dependency of another chart may have \`condition: ${name}.enabled\`.

## Values

\`values.schema.json\` refuses every other key.

${formatTable(['value', 'default', 'meaning'], rowsOf(contents as YAMLMap))}
`;
};

/** Generates the files of a chart from its `values.yaml`. */
const filesOf = (name: string): readonly Generated[] => {
  const read = (file: string): string => readFileSync(join(root, FOLDER, name, file), 'utf8');
  const values = read('values.yaml');
  const defaults = stringify(parse(values), { lineWidth: 0, aliasDuplicateObjects: false });
  return [
    { path: `${FOLDER}/${name}/README.md`, content: readmeOf(parse(read('Chart.yaml')) as Chart, values) },
    { path: `${FOLDER}/${name}/files/defaults.yaml`, content: `# Generated from values.yaml by npm run gen: do not edit.\n${defaults}` },
  ];
};

const chartFiles = (): readonly Generated[] => ['fso-hub', 'fso-agent'].flatMap(filesOf);

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

/** JSON Schema of the output of `fso plan -o json`. */
const planSchema: Producer = () => [
  {
    path: 'crds/schemas/plan.json',
    content: `${JSON.stringify({ title: 'Plan', ...z.toJSONSchema(Plan, { target: 'draft-7' }) }, null, 2)}\n`,
  },
];

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

/** Returns rows for a field and the fields below it. Entries of a map are left out. */
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

/** Producers of all generated files that follow from shared schemas. */
export const PRODUCERS: readonly Producer[] = [crds, editorSchemas, planSchema, policyReference, chartFiles];
