import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isMap, isNode, isScalar, type Pair, parse, parseDocument, stringify, type YAMLMap } from 'yaml';
import type { Generated } from './generate.ts';
import { formatTable } from './markdown.ts';

const FOLDER = 'deploy/charts';
const root = join(import.meta.dirname, '..', '..');

interface Chart {
  readonly name: string;
  readonly description: string;
  readonly version: string;
  readonly appVersion: string;
  readonly kubeVersion: string;
}

/** The text of comment lines, where a line that ends without a full stop goes on. */
const textOf = (comment: string | null | undefined): string =>
  (comment ?? '')
    .split('\n')
    .map((line) => line.trim())
    .join(' ')
    .trim();

/** The comment before a key; the one before the first key of a map stands before the map. */
const commentOf = (map: YAMLMap, { key }: Pair, index: number): string =>
  textOf((isScalar(key) ? key.commentBefore : undefined) ?? (index === 0 ? map.commentBefore : undefined));

/** A row for each value, and one for each map of values that says what they are for. */
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

/** The files of a chart that are made from its `values.yaml`. */
const filesOf = (name: string): readonly Generated[] => {
  const read = (file: string): string => readFileSync(join(root, FOLDER, name, file), 'utf8');
  const values = read('values.yaml');
  const defaults = stringify(parse(values), { lineWidth: 0, aliasDuplicateObjects: false });
  return [
    { path: `${FOLDER}/${name}/README.md`, content: readmeOf(parse(read('Chart.yaml')) as Chart, values) },
    { path: `${FOLDER}/${name}/files/defaults.yaml`, content: `# Generated from values.yaml by npm run gen: do not edit.\n${defaults}` },
  ];
};

export const chartFiles = (): readonly Generated[] => ['fso-hub', 'fso-agent'].flatMap(filesOf);
