import type { CST } from 'yaml';
import type { DecodeLimits } from '../types.ts';

/** Construct that a policy file must not contain. `offset` counts from the start of the file. */
export interface TokenProblem {
  readonly offset: number;
  readonly reason: string;
}

interface Visit {
  readonly token: CST.Token;
  readonly depth: number;
}

/**
 * Checks the raw tokens of a file before any value is built from them. Aliases can make a small
 * file expand without bound ("billion laughs"), anchors serve nothing else, and tags and directives
 * change what a value means. Deep nesting exhausts the stack of a recursive parser, so this walk is
 * a loop.
 */
export const checkTokens = (
  tokens: readonly CST.Token[],
  limits: Pick<DecodeLimits, 'maxDepth' | 'maxEntries'>,
): readonly TokenProblem[] => {
  const problems: TokenProblem[] = [];
  const pending: Visit[] = tokens.map((token) => ({ token, depth: 0 }));
  for (let visit = pending.pop(); visit !== undefined; visit = pending.pop()) {
    const problem = refuse(visit, limits);
    if (problem !== undefined) problems.push(problem);
    // The children of a refused token would only repeat the problem. Passing a long list to
    // push(...) would exhaust the stack.
    else for (const child of children(visit)) pending.push(child);
  }
  return problems.sort((left, right) => left.offset - right.offset);
};

const REFUSED: ReadonlyMap<string, string> = new Map([
  ['alias', 'aliases (*name) are not allowed, write the value out'],
  ['anchor', 'anchors (&name) are not allowed'],
  ['tag', 'tags (!name) are not allowed'],
  ['directive', 'directives (%NAME) are not allowed'],
]);

const refuse = (
  { token, depth }: Visit,
  { maxDepth, maxEntries }: Pick<DecodeLimits, 'maxDepth' | 'maxEntries'>,
): TokenProblem | undefined => {
  const isCollection = 'items' in token;
  const entries = isCollection ? token.items.length : 0;
  const reason =
    (isCollection && depth >= maxDepth && `nested deeper than ${maxDepth} levels`) ||
    (entries > maxEntries && `a collection with ${entries} entries, the limit is ${maxEntries}`) ||
    REFUSED.get(token.type);
  return reason === undefined ? undefined : { offset: token.offset, reason };
};

const children = ({ token, depth }: Visit): Visit[] => {
  if (token.type === 'document') return [...token.start, ...(token.value ? [token.value] : [])].map((child) => ({ token: child, depth }));
  if (!('items' in token)) return [];
  return token.items.flatMap(({ start, key, sep, value }) => [
    ...[...start, ...(sep ?? [])].map((child) => ({ token: child, depth })),
    ...[key, value].flatMap((child) => (child ? [{ token: child, depth: depth + 1 }] : [])),
  ]);
};
