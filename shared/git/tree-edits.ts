import { GitObjectError, parseTree } from './objects.ts';

/**
 * Difference between two objects at one place: where one has `remove` bytes at `at`, the other has
 * `insert`.
 */
export interface Edit {
  readonly at: number;
  readonly remove: number;
  readonly insert: Uint8Array;
}

interface Entry {
  readonly name: string;
  readonly start: number;
  readonly bytes: Buffer;
}

/**
 * Splits a tree into its entries (https://git-scm.com/book/en/v2/Git-Internals-Git-Objects).
 *
 * @throws GitObjectError
 */
const entriesOf = (tree: Uint8Array): readonly Entry[] => {
  let start = 0;
  return parseTree(tree).map(({ mode, name }) => {
    const length = Buffer.byteLength(mode) + 1 + Buffer.byteLength(name) + 1 + 20;
    const entry = { name, start, bytes: Buffer.from(tree.buffer, tree.byteOffset + start, length) };
    start += length;
    return entry;
  });
};

/** Adds an edit. Merges it with the previous one if they are adjacent. */
const append = (edits: Edit[], { at, remove, insert }: Edit): void => {
  const last = edits.at(-1);
  if (last === undefined || last.at + last.remove !== at) edits.push({ at, remove, insert });
  else edits[edits.length - 1] = { at: last.at, remove: last.remove + remove, insert: Buffer.concat([last.insert, insert]) };
};

const NOTHING = Buffer.alloc(0);

/** State of the comparison of two trees. */
interface Comparison {
  readonly old: readonly Entry[];
  /** Index of the current old entry. */
  next: number;
  readonly edits: Edit[];
}

/** Skips old entries that no longer exist. */
const dropGone = (comparison: Comparison, wanted: ReadonlySet<string>): void => {
  const { old, edits } = comparison;
  for (let gone = old[comparison.next]; gone !== undefined && !wanted.has(gone.name); gone = old[comparison.next]) {
    append(edits, { at: gone.start, remove: gone.bytes.length, insert: NOTHING });
    comparison.next += 1;
  }
};

const take = (comparison: Comparison, entry: Entry, end: number): void => {
  const { old, edits } = comparison;
  const before = old[comparison.next];
  if (before?.name !== entry.name) {
    append(edits, { at: before?.start ?? end, remove: 0, insert: entry.bytes });
    return;
  }
  comparison.next += 1;
  if (!before.bytes.equals(entry.bytes)) append(edits, { at: before.start, remove: before.bytes.length, insert: entry.bytes });
};

/**
 * Computes the edits that turn one tree into another. A change of one file in a folder of a
 * thousand is one entry. The result is correct for any order of entries, and short if both trees
 * have Git's.
 *
 * @throws GitObjectError
 */
export const editsOfTree = (before: Uint8Array, after: Uint8Array): readonly Edit[] => {
  const now = entriesOf(after);
  const comparison: Comparison = { old: entriesOf(before), next: 0, edits: [] };
  const wanted = new Set(now.map(({ name }) => name));
  for (const entry of now) {
    dropGone(comparison, wanted);
    take(comparison, entry, before.byteLength);
  }
  const { old, next, edits } = comparison;
  const rest = old[next];
  if (rest !== undefined) append(edits, { at: rest.start, remove: before.byteLength - rest.start, insert: NOTHING });
  return edits;
};

/**
 * Applies edits, which must be in order, to an object.
 *
 * @throws GitObjectError if they lie outside the object, or the result would exceed `maxBytes`
 */
export const applyEdits = (before: Uint8Array, edits: readonly Edit[], maxBytes: number): Uint8Array => {
  const parts: Uint8Array[] = [];
  let at = 0;
  for (const edit of edits) {
    if (edit.at < at || edit.at + edit.remove > before.byteLength) throw new GitObjectError('an edit lies outside of the object');
    parts.push(before.subarray(at, edit.at), edit.insert);
    at = edit.at + edit.remove;
  }
  parts.push(before.subarray(at));
  if (parts.reduce((bytes, part) => bytes + part.byteLength, 0) > maxBytes)
    throw new GitObjectError(`the object has more than ${maxBytes} bytes`);
  return Buffer.concat(parts);
};
