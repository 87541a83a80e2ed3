import { NamespaceName } from '../api/index.ts';
import { isGlob, matchesNamespace } from '../compile/index.ts';
import type { NamespaceClass } from './plan.ts';

/** Most classes that are distinguished for one list of policies. The rest is not looked at. */
export const MAX_CLASSES = 20_000;

/** Classes of namespaces. `isWhole`: every namespace that was asked about is in one of them. */
export interface NamespaceClasses {
  readonly classes: readonly NamespaceClass[];
  readonly isWhole: boolean;
}

/** Parts of a glob; all are empty for `*`. */
interface GlobParts {
  readonly prefix: string;
  readonly infix: string;
  readonly suffix: string;
}

const partsOf = (glob: string): GlobParts => {
  const [openStart, openEnd] = [glob.startsWith('*'), glob.endsWith('*')];
  if (openStart && openEnd) return { prefix: '', infix: glob.slice(1, -1), suffix: '' };
  return openStart ? { prefix: '', infix: '', suffix: glob.slice(1) } : { prefix: glob.slice(0, -1), infix: '', suffix: '' };
};

/** Characters of namespaces, rare ones first: an example should not read like a name. */
const LETTERS = [...'xqzjkvwyufbghmpcdlnrtsaoei0123456789'];

/**
 * Two characters between the parts of an example, so that it matches exactly the globs of its
 * parts: no glob holds both, ends with the first, or begins with the second, so none spans a place
 * where they meet a part or each other. Undefined if every pair is taken.
 */
const fillerFor = (texts: readonly string[]): string | undefined => {
  const ends = new Set(texts.map((text) => text.at(-1)));
  const begins = new Set(texts.map((text) => text[0]));
  const seconds = LETTERS.filter((letter) => !begins.has(letter));
  return LETTERS.filter((letter) => !ends.has(letter))
    .flatMap((first) => seconds.map((second) => first + second))
    .find((pair) => !texts.some((text) => text.includes(pair)));
};

/** Generates the subsets of a list that have a given size. */
function* subsetsOfSize(list: readonly string[], size: number): Generator<readonly string[]> {
  if (size === 0) yield [];
  else
    for (const [index, first] of list.entries()) for (const rest of subsetsOfSize(list.slice(index + 1), size - 1)) yield [first, ...rest];
}

/** Generates all subsets, small ones first. */
function* subsetsOf(list: readonly string[]): Generator<readonly string[]> {
  for (let size = 0; size <= list.length; size++) yield* subsetsOfSize(list, size);
}

/** Longest namespace. */
const MAX_LENGTH = 63;

/** Length of the longest end of a text that is the beginning of another. */
const overlapOf = (left: string, right: string): number => {
  for (let length = Math.min(left.length, right.length); length > 0; length--) if (left.endsWith(right.slice(0, length))) return length;
  return 0;
};

/** Whether no namespace is long enough for these parts, however they overlap. */
const isImpossible = ([first = '', ...others]: readonly string[]): boolean => {
  const [last = ''] = others;
  return others.length <= 1 && first.length + last.length - overlapOf(first, last) > MAX_LENGTH;
};

interface Parts {
  readonly prefixes: readonly string[];
  readonly infixes: readonly string[];
  readonly suffixes: readonly string[];
}

/** Parts of classes within a glob: prefixes and suffixes that extend its own, and other infixes. */
const partsWithin = (glob: string, { prefixes, infixes, suffixes }: Parts): Parts => {
  const { prefix, infix, suffix } = partsOf(glob);
  return {
    prefixes: prefixes.filter((text) => text.startsWith(prefix)),
    suffixes: suffixes.filter((text) => text.endsWith(suffix)),
    infixes: infix === '' ? infixes : infixes.filter((text) => text !== infix),
  };
};

const isWithinOther = (text: string, others: readonly string[]): boolean => others.some((other) => other !== text && other.includes(text));

/** Generates the parts of each class: a prefix, infixes that no other part has, and a suffix. */
function* combinationsWithin(glob: string, all: Parts): Generator<readonly string[]> {
  const { prefixes, infixes, suffixes } = partsWithin(glob, all);
  const { infix } = partsOf(glob);
  for (const chosen of subsetsOf(infixes)) {
    const inner = infix === '' ? chosen : [infix, ...chosen];
    for (const prefix of prefixes)
      for (const suffix of suffixes) {
        const own = inner.filter((text) => ![prefix, suffix].some((outer) => outer.includes(text)) && !isWithinOther(text, inner));
        yield [prefix, ...own.toSorted(), suffix];
      }
  }
}

function* combinationsWithinAny(globs: readonly string[], all: Parts): Generator<readonly string[]> {
  for (const glob of globs) yield* combinationsWithin(glob, all);
}

interface ClassMaker {
  readonly filler: string;
  /** Names that are classes of their own. */
  readonly exact: ReadonlySet<string>;
}

/** @returns undefined if no namespace has these parts; `unknown` if there may be one */
const classOf = (parts: readonly string[], { filler, exact }: ClassMaker): NamespaceClass | 'unknown' | undefined => {
  let between = filler;
  while (exact.has(parts.join(between))) between += filler;
  const example = parts.join(between);
  if (NamespaceName.safeParse(example).success) return { pattern: parts.join('*'), example };
  // A namespace neither begins nor ends with a dash.
  if (/^-|-$/.test(example)) return undefined;
  return isImpossible(parts.filter((text) => text !== '')) ? undefined : 'unknown';
};

const collectClasses = (combinations: Iterable<readonly string[]>, maker: ClassMaker): NamespaceClasses => {
  const classes = new Map<string, NamespaceClass>();
  let isWhole = true;
  let tries = 0;
  for (const combination of combinations) {
    if (++tries > MAX_CLASSES) return { classes: [...classes.values()], isWhole: false };
    const found = classOf(combination, maker);
    if (found === 'unknown') isWhole = false;
    else if (found !== undefined) classes.set(found.pattern, found);
  }
  return { classes: [...classes.values()], isWhole };
};

const globClasses = (within: readonly string[], globs: readonly string[], exact: ReadonlySet<string>): NamespaceClasses => {
  const parts = globs.map(partsOf);
  const texts = (field: keyof GlobParts): string[] => [...new Set(parts.map((each) => each[field]))].filter((text) => text !== '');
  const all: Parts = { prefixes: ['', ...texts('prefix')], infixes: texts('infix'), suffixes: ['', ...texts('suffix')] };
  const filler = fillerFor([...texts('prefix'), ...texts('infix'), ...texts('suffix')]);
  if (filler === undefined) return { classes: [], isWhole: within.length === 0 };
  return collectClasses(combinationsWithinAny(within, all), { filler, exact });
};

/**
 * The namespaces that at least one pattern of `within` matches, as classes: no pattern of `all`
 * tells two namespaces of a class apart, and each class has an example. A name is a class of its
 * own. Globs distinguish namespaces by how they begin, what they contain and how they end. So any
 * other class is a longest prefix, a set of infixes and a longest suffix.
 *
 * @param within patterns among `all`
 */
export const namespaceClasses = (within: readonly string[], all: readonly string[]): NamespaceClasses => {
  const names = [...new Set(all.filter((pattern) => !isGlob(pattern)))];
  const asked = [...new Set(within)];
  const askedNames = new Set(asked.filter((pattern) => !isGlob(pattern)));
  const askedGlobs = asked.filter(isGlob);
  const exact = names.filter((name) => askedNames.has(name) || askedGlobs.some((glob) => matchesNamespace(glob, name)));
  const others = globClasses(askedGlobs, [...new Set(all.filter(isGlob))], new Set(names));
  return { classes: [...exact.map((name) => ({ pattern: name, example: name })), ...others.classes], isWhole: others.isWhole };
};
