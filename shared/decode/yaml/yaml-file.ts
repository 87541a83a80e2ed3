import { Composer, type CST, type Document, isCollection, isMap, isScalar, LineCounter, Parser, type YAMLError } from 'yaml';
import type { DecodeLimits, SourceFile, SourceLocation, SourceProblem } from '../types.ts';
import { checkTokens } from './yaml-tokens.ts';

/** Keys and indices that lead to a value within a document. */
export type ValuePath = readonly PropertyKey[];

/** Document of a YAML file, with the positions of its parts. */
export interface YamlDocument {
  readonly value: unknown;
  /** Index among the documents of the file, including those without content. */
  readonly index: number;
  /**
   * Finds the position of a value, or of its key if `part` is `key`. An item of a list has no key
   * of its own. For a path that does not exist, returns the position of its nearest existing
   * parent.
   */
  locate(path: ValuePath, part?: 'key' | 'value'): SourceLocation;
  /**
   * Returns the source text of the document, with its comments and without the `---` and `...`
   * markers. `line` is the number of the first line.
   */
  written(): { readonly text: string; readonly line: number };
}

/** Documents of a YAML file, or its syntax problems. */
export interface YamlFile {
  readonly documents: readonly YamlDocument[];
  readonly problems: readonly SourceProblem[];
}

/**
 * Parses a file as YAML 1.2 with the core schema. Refuses merge keys, duplicate keys, keys that are
 * not strings, and what {@link checkTokens} refuses. Never throws: a file with a problem has no
 * documents.
 */
export const readYamlFile = (file: SourceFile, limits: DecodeLimits): YamlFile => {
  const bytes = new TextEncoder().encode(file.text).length;
  const problem = (reason: string, location: SourceLocation = { path: file.path, line: 1, column: 1 }): SourceProblem => ({
    ...location,
    reason,
  });
  const failed = (problems: readonly SourceProblem[]): YamlFile => ({ documents: [], problems });
  if (bytes > limits.maxFileBytes) return failed([problem(`the file has ${bytes} bytes, the limit is ${limits.maxFileBytes}`)]);

  const lines = new LineCounter();
  const at = (offset: number): SourceLocation => {
    const { line, col } = lines.linePos(offset);
    return { path: file.path, line: Math.max(line, 1), column: Math.max(col, 1) };
  };
  const tokens = [...new Parser(lines.addNewLine).parse(file.text)];
  const refused = checkTokens(tokens, limits);
  if (refused.length > 0) return failed(refused.map(({ offset, reason }) => problem(reason, at(offset))));

  const documents = compose(tokens, lines);
  if (documents.length > limits.maxDocumentsPerFile) {
    return failed([problem(`the file has ${documents.length} documents, the limit is ${limits.maxDocumentsPerFile}`)]);
  }
  const errors = documents.flatMap((document) => [...document.errors, ...document.warnings]);
  if (errors.length > 0) return failed(errors.map((error) => problem(errorText(error, file.text), at(error.pos[0]))));
  const slices = sliceDocuments(tokens, file.text.length);
  return {
    documents: documents.flatMap((document, index) =>
      isEmpty(document)
        ? []
        : [
            {
              value: document.toJS(),
              index,
              locate: (path, part) => at(offsetOf(document, path, part)),
              written: () => {
                const { text, offset } = writtenText(file.text, slices[index] ?? [0, file.text.length]);
                return { text, line: at(offset).line };
              },
            },
          ],
    ),
    problems: [],
  };
};

type Slice = readonly [start: number, end: number];

/**
 * Returns the start and end offset of each document. Comments before the first document belong to
 * it.
 */
const sliceDocuments = (tokens: readonly CST.Token[], length: number): Slice[] => {
  const starts: number[] = [];
  let ended: number | undefined = 0;
  for (const { type, offset } of tokens) {
    if (type === 'doc-end') ended = offset + '...'.length;
    if (type !== 'document') continue;
    starts.push(ended ?? offset);
    ended = undefined;
  }
  return starts.map((start, index) => [start, starts[index + 1] ?? length]);
};

const writtenText = (text: string, [start, end]: Slice): { text: string; offset: number } => {
  const slice = text.slice(start, end);
  const head = /^(?:---[ \t]*(?=\r?\n))?(?:[ \t]*\r?\n)*/.exec(slice)?.[0].length ?? 0;
  const written = slice
    .slice(head)
    .trimEnd()
    .replace(/\r?\n\.\.\.$/, '');
  return { text: `${written}\n`, offset: start + head };
};

const compose = (tokens: readonly CST.Token[], lineCounter: LineCounter): Document.Parsed[] => [
  ...new Composer({ version: '1.2', schema: 'core', merge: false, uniqueKeys: true, stringKeys: true, strict: true, lineCounter }).compose(
    tokens,
  ),
];

/**
 * Whether a document has no content: an empty file, only comments, or nothing between two `---`.
 */
const isEmpty = ({ contents }: Document.Parsed): boolean =>
  contents === null || (isScalar(contents) && contents.value === null && contents.range[0] === contents.range[1]);

const errorText = (error: YAMLError, text: string): string => {
  const message = error.message.charAt(0).toLowerCase() + error.message.slice(1);
  if (error.code !== 'DUPLICATE_KEY') return message;
  const key = /^[^\s:]{1,63}/.exec(text.slice(error.pos[0]));
  return `the key ${key?.[0] ?? ''} is there twice`;
};

type Node = Document.Parsed['contents'];
type Child = { readonly node: Node; readonly key: Node };

/** Child of a collection with its key; undefined if there is none. */
const childOf = (parent: Node, step: PropertyKey): Child | undefined => {
  if (!isCollection(parent)) return undefined;
  if (!isMap(parent)) {
    const node = parent.items[Number(step)] as Node | undefined;
    return node === undefined ? undefined : { node, key: node };
  }
  const pair = parent.items.find(({ key }) => isScalar(key) && key.value === step);
  return pair && { node: pair.value as Node, key: pair.key as Node };
};

const offsetOf = (document: Document.Parsed, path: ValuePath, part: 'key' | 'value' = 'value'): number => {
  let current: Child = { node: document.contents, key: document.contents };
  for (const [index, step] of path.entries()) {
    const child = childOf(current.node, step);
    // A missing field is reported at the key of its parent.
    if (child === undefined) return current.key?.range?.[0] ?? document.range[0];
    current = child;
    if (part === 'key' && index === path.length - 1) return current.key?.range?.[0] ?? document.range[0];
  }
  return current.node?.range?.[0] ?? current.key?.range?.[0] ?? document.range[0];
};
