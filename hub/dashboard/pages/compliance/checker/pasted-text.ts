import { DEFAULT_LIMITS, type DecodeLimits, readYamlFile, type ValuePath } from '@fso/shared/decode/portable';
import { type Document, isMap, isNode, LineCounter, parseAllDocuments } from 'yaml';
import type { LineRange } from '../../../lib/text-diff.ts';

/** Limits of a pasted text: those of a file in a policy repository, with fewer documents. */
export const PASTE_LIMITS: DecodeLimits = { ...DEFAULT_LIMITS, maxDocumentsPerFile: 100 };

/** Problem in a pasted text. */
export interface PasteProblem {
  /** Line number, from 1. */
  readonly line: number;
  readonly reason: string;
}

/** A YAML or JSON document of the pasted text. */
export interface PastedDocument {
  readonly value: unknown;
  /**
   * Returns the lines of a value with its key. For a missing value, returns the first line of its
   * nearest parent.
   */
  linesOf(path: ValuePath): LineRange;
  /** Creates a copy to change. */
  copy(): Document;
}

interface PastedText {
  readonly documents: readonly PastedDocument[];
  readonly problems: readonly PasteProblem[];
}

const OPTIONS = { version: '1.2', schema: 'core', merge: false, uniqueKeys: true, stringKeys: true, strict: true } as const;

const isEmpty = ({ contents }: Document): boolean => contents === null || (isNode(contents) && contents.toJSON() === null);

/**
 * Parses a pasted text. Never throws: a text with a problem has no documents. The limits are
 * checked before any value is built.
 */
export const readPastedText = (text: string): PastedText => {
  const { problems } = readYamlFile({ path: '', text }, PASTE_LIMITS);
  if (problems.length > 0) return { documents: [], problems: problems.map(({ line, reason }) => ({ line, reason })) };
  const lines = new LineCounter();
  const documents = parseAllDocuments(text, { ...OPTIONS, lineCounter: lines });
  if ('empty' in documents) return { documents: [], problems: [] };
  return { documents: documents.filter((document) => !isEmpty(document)).map((document) => toPasted(document, lines)), problems: [] };
};

const toPasted = (document: Document, lines: LineCounter): PastedDocument => ({
  value: document.toJS(),
  linesOf: (path) => linesOf(document, path, lines),
  copy: () => document.clone(),
});

const lineOf = (offset: number, lines: LineCounter): number => Math.max(1, lines.linePos(offset).line);

/** Returns the lines of a value; for a missing value, the first line of its nearest parent. */
const linesOf = (document: Document, path: ValuePath, lines: LineCounter): LineRange => {
  for (let length = path.length; length > 0; length -= 1) {
    const range = rangeOf(document, path.slice(0, length));
    if (range === undefined) continue;
    const from = lineOf(range.start, lines);
    // A missing value is located at the first line of its parent.
    return { from, to: length < path.length ? from : Math.max(from, lineOf(range.end - 1, lines)) };
  }
  const from = lineOf(isNode(document.contents) ? (document.contents.range?.[0] ?? 0) : 0, lines);
  return { from, to: from };
};

const rangeOf = (document: Document, path: ValuePath): { start: number; end: number } | undefined => {
  const node: unknown = document.getIn(path, true);
  const range = isNode(node) ? node.range : undefined;
  if (!range) return undefined;
  return { start: keyStart(document, path) ?? range[0], end: range[1] };
};

const keyStart = (document: Document, path: ValuePath): number | undefined => {
  const parent: unknown = path.length === 1 ? document.contents : document.getIn(path.slice(0, -1), true);
  if (!isMap(parent)) return undefined;
  const pair = parent.items.find(({ key }) => isNode(key) && key.toJSON() === path.at(-1));
  return isNode(pair?.key) ? pair.key.range?.[0] : undefined;
};
