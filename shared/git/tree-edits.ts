import { GitObjectError, parseTree } from './objects.ts';

/**
 * Difference at one place of two objects: where one has `remove` bytes at `at`, the other has
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

/** The entries of a tree as they stand in it (https://git-scm.com/book/en/v2/Git-Internals-Git-Objects). @throws GitObjectError */
const entriesOf = (tree: Uint8Array): readonly Entry[] => {
  let start = 0;
  return parseTree(tree).map(({ mode, name }) => {
    const length = Buffer.byteLength(mode) + 1 + Buffer.byteLength(name) + 1 + 20;
    const entry = { name, start, bytes: Buffer.from(tree.buffer, tree.byteOffset + start, length) };
    start += length;
    return entry;
  });
};

/** Adds an edit, to the one before it where nothing lies between them. */
const append = (edits: Edit[], { at, remove, insert }: Edit): void => {
  const last = edits.at(-1);
  if (last === undefined || last.at + last.remove !== at) edits.push({ at, remove, insert });
  else edits[edits.length - 1] = { at: last.at, remove: last.remove + remove, insert: Buffer.concat([last.insert, insert]) };
};

const NOTHING = Buffer.alloc(0);

/** The two trees while they are compared. */
interface Comparison {
  readonly old: readonly Entry[];
  /** Index of the current old entry. */
  next: number;
  readonly edits: Edit[];
}

/** Skips old entries that do not exist any more. */
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
 * Computes the edits that turn one tree into another: a folder of a thousand files in which one has
 * changed differs in one entry. The result is right whatever the order of the entries; it is short
 * where both have git's.
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

/** An object after edits, which come in order. @throws GitObjectError where they lie outside of it, or would make more than `maxBytes` of it */
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
