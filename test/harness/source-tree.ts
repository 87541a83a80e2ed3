import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseSync } from 'vite';

/** Node of a syntax tree; offsets are in UTF-16 code units. */
export interface SourceNode {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly [field: string]: unknown;
}

/** Call of a function that may be in another file: of an import, or of a method of an object. */
export interface Call {
  /** Last name of `a.b.name()` and `new a.name()`. */
  readonly name: string;
  readonly offset: number;
}

/** Title of a test or of a group of tests, as written. */
export interface TestTitle {
  readonly isGroup: boolean;
  readonly line: number;
  readonly text: string;
}

const isNode = (value: unknown): value is SourceNode => typeof value === 'object' && value !== null && 'type' in value && 'start' in value;

const childrenOf = (node: SourceNode): readonly SourceNode[] => Object.values(node).flat().filter(isNode);

/**
 * @returns a node and its descendants, without the nodes that `leavesOut` selects and their
 * descendants
 */
export const nodesBelow = (root: SourceNode, leavesOut: (node: SourceNode) => boolean = () => false): readonly SourceNode[] => {
  const found: SourceNode[] = [];
  const visit = (node: SourceNode): void => {
    if (leavesOut(node)) return;
    found.push(node);
    childrenOf(node).forEach(visit);
  };
  visit(root);
  return found;
};

const parse = (path: string, text: string): SourceNode =>
  parseSync(path, text, { lang: path.endsWith('.js') ? 'js' : path.endsWith('x') ? 'tsx' : 'ts' }).program as unknown as SourceNode;

/** @param file relative to `root` */
export const parseSource = (root: string, file: string): SourceNode => parse(file, readFileSync(join(root, file), 'utf8'));

/** @returns the last name of `a.b.name`, with the `#` of a private name */
export const nameOf = (node: unknown): string | undefined => {
  if (!isNode(node)) return undefined;
  if (node.type === 'MemberExpression') return nameOf(node['property']);
  if (node.type === 'TSQualifiedName') return nameOf(node['right']);
  if (node.type !== 'Identifier' && node.type !== 'PrivateIdentifier') return undefined;
  return `${node.type === 'PrivateIdentifier' ? '#' : ''}${String(node['name'])}`;
};

/** @param file relative to `root` */
export const callsOf = (root: string, file: string): readonly Call[] => {
  const nodes = nodesBelow(parseSource(root, file));
  const imported = new Set(nodes.filter(({ type }) => type === 'ImportSpecifier').map((specifier) => nameOf(specifier['local'])));
  return nodes
    .filter(({ type }) => type === 'CallExpression' || type === 'NewExpression')
    .flatMap(({ start, callee }) => {
      const name = nameOf(callee);
      const isMethod = isNode(callee) && callee.type === 'MemberExpression';
      return name === undefined || !(isMethod || imported.has(name)) ? [] : [{ name, offset: start }];
    });
};

/** @returns `it` of `it.each(rows)('…')` */
const rootName = (callee: unknown): string | undefined => {
  if (!isNode(callee)) return undefined;
  return callee.type === 'Identifier' ? nameOf(callee) : rootName(callee['callee'] ?? callee['object'] ?? callee['tag']);
};

const isTitle = (node: unknown): node is SourceNode =>
  isNode(node) && (node.type === 'TemplateLiteral' || (node.type === 'Literal' && typeof node['value'] === 'string'));

/** @returns titles of `it`, `test` and `describe`; those of `each` once for all rows */
export const testTitles = (path: string, text: string): readonly TestTitle[] =>
  nodesBelow(parse(path, text)).flatMap((node): readonly TestTitle[] => {
    const name = node.type === 'CallExpression' ? (rootName(node['callee']) ?? '') : '';
    const [title, body] = node.type === 'CallExpression' ? (node['arguments'] as readonly unknown[]) : [];
    if (!['it', 'test', 'describe'].includes(name) || !isTitle(title) || !isNode(body)) return [];
    const line = text.slice(0, title.start).split('\n').length;
    return [{ isGroup: name === 'describe', line, text: text.slice(title.start + 1, title.end - 1) }];
  });
