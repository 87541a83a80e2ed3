import { byText } from '@fso/shared/encoding';
import { nameOf, nodesBelow, parseSource, type SourceNode } from '../harness/source-tree.ts';

/** A type, or the schema of the same name that it is inferred from. */
interface Shape {
  readonly file: string;
  readonly name: string;
  /** Names of types and schemas that its values hold. */
  readonly holds: readonly string[];
}

/** The policy itself: all shapes that hold it, or hold one that does, carry it. */
const POLICY = 'SovereignPolicySpec';

const TYPES = ['TSInterfaceDeclaration', 'TSTypeAliasDeclaration'];

/** Functions of a type give or take a policy; they do not hold it. */
const isFunctionType = ({ type }: SourceNode): boolean => type === 'TSFunctionType' || type === 'TSMethodSignature';
const isFunction = ({ type }: SourceNode): boolean => type === 'ArrowFunctionExpression' || type === 'FunctionExpression';

const namesIn = (node: SourceNode): readonly string[] =>
  nodesBelow(node, (below) => isFunctionType(below) || isFunction(below)).flatMap((below) => nameOf(below) ?? []);

/** A schema is a constant whose name begins as that of a type does. */
const isSchema = (node: SourceNode): boolean => node.type === 'VariableDeclarator' && /^[A-Z][a-z]/.test(nameOf(node['id']) ?? '');

const shapesOf = (root: string, file: string): readonly Shape[] =>
  nodesBelow(parseSource(root, file), isFunction)
    .filter((node) => TYPES.includes(node.type) || isSchema(node))
    .map((node) => ({ file, name: nameOf(node['id']) ?? '', holds: namesIn(node) }));

/** @returns the shapes that hold the policy, by name; those that share a name count as one */
const carriersOf = (shapes: readonly Shape[]): ReadonlySet<string> => {
  const carriers = new Set([POLICY]);
  for (let before = 0; before < carriers.size; ) {
    before = carriers.size;
    for (const { name, holds } of shapes) if (holds.some((held) => held !== name && carriers.has(held))) carriers.add(name);
  }
  return carriers;
};

/**
 * @returns names of the types that carry the policy and that a file on its way declares or names
 */
export const policyShapes = (root: string, sources: readonly string[], way: readonly string[]): readonly string[] => {
  const carriers = carriersOf(sources.flatMap((file) => shapesOf(root, file)));
  const named = way.flatMap((file) => nodesBelow(parseSource(root, file)));
  const types = named.flatMap((node) => {
    if (node.type === 'TSTypeReference') return nameOf(node['typeName']) ?? [];
    return TYPES.includes(node.type) ? (nameOf(node['id']) ?? []) : [];
  });
  return [...new Set(types)].filter((name) => carriers.has(name)).toSorted(byText);
};
