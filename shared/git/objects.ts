import { createHash } from 'node:crypto';

/**
 * Git objects as they are stored (https://git-scm.com/book/en/v2/Git-Internals-Git-Objects), read
 * without a repository. Parsers are strict: what Git itself would not write is refused, because
 * agents read objects from a hub that they do not trust.
 */

/** Types of Git objects that make up a commit. */
export type GitObjectType = 'commit' | 'tree' | 'blob';

/** Git object as it is stored or sent. `data` is the content without the object header. */
export interface RawObject {
  readonly type: GitObjectType;
  readonly data: Uint8Array;
}

/** Objects that a commit refers to. */
export interface CommitLinks {
  readonly tree: string;
  readonly parents: readonly string[];
}

/** A parsed commit. */
export interface GitCommit extends CommitLinks {
  /** Author as in the commit: `name <email> seconds zone`. */
  readonly author: string;
  readonly committer: string;
  readonly message: string;
}

/** Kind of an entry of a tree, by its mode. */
export type TreeEntryKind = 'tree' | 'blob' | 'symlink' | 'submodule';

/** Entry of a Git tree: mode in octal, name, and id of the object. */
export interface TreeEntry {
  readonly mode: string;
  readonly kind: TreeEntryKind;
  readonly name: string;
  readonly id: string;
}

/** An object whose content does not match its type. */
export class GitObjectError extends Error {
  override readonly name: string = 'GitObjectError';
}

/** Error for an object that is too large to be parsed. */
export class GitObjectTooLargeError extends GitObjectError {
  override readonly name = 'GitObjectTooLargeError';
}

/**
 * Largest commit, in bytes, with its message and signature. Hosting services limit messages to 64
 * KiB.
 */
export const MAX_COMMIT_BYTES: number = 128 * 1024;
/** Largest folder, in bytes: 60,000 entries with names of 40 characters. */
export const MAX_TREE_BYTES: number = 4 * 1024 * 1024;

const SHA1_BYTES = 20;
const KINDS: ReadonlyMap<string, TreeEntryKind> = new Map([
  ['40000', 'tree'],
  ['100644', 'blob'],
  ['100755', 'blob'],
  // Written by old versions of Git. `git fsck` only warns about it.
  ['100664', 'blob'],
  ['120000', 'symlink'],
  ['160000', 'submodule'],
]);

const bufferOf = (data: Uint8Array): Buffer => Buffer.from(data.buffer, data.byteOffset, data.byteLength);

const checkSize = (what: string, { byteLength }: Uint8Array, max: number): void => {
  if (byteLength > max) throw new GitObjectTooLargeError(`the ${what} has ${byteLength} bytes, more than the ${max} that are accepted`);
};

/** Id that Git gives an object: SHA-1 over `type length\0` and the content. */
export const objectId = (type: GitObjectType, data: Uint8Array): string =>
  createHash('sha1').update(`${type} ${data.byteLength}\0`).update(data).digest('hex');

/**
 * Decodes UTF-8.
 *
 * @param what name of the text in the error
 * @throws GitObjectError
 */
export const decodeText = (data: Uint8Array, what: string): string => {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(data);
  } catch {
    throw new GitObjectError(`${what} is not UTF-8`);
  }
};

const LINKS = /^tree ([0-9a-f]{40})\n((?:parent [0-9a-f]{40}\n)*)/;
const ID = /[0-9a-f]{40}/g;

/**
 * Reads the ids at the beginning of a commit, where Git writes and reads them. No more is parsed of
 * an unverified commit.
 *
 * @throws GitObjectError
 */
export const readCommitLinks = (data: Uint8Array): CommitLinks => {
  checkSize('commit', data, MAX_COMMIT_BYTES);
  const [, tree, lines = ''] = LINKS.exec(bufferOf(data).toString('latin1')) ?? [];
  if (tree === undefined) throw new GitObjectError('the commit does not start with its tree');
  return { tree, parents: lines.match(ID) ?? [] };
};

/** Parses a commit. @throws GitObjectError */
export const parseCommit = (data: Uint8Array): GitCommit => {
  const links = readCommitLinks(data);
  // Names in old commits may have another encoding. latin1 keeps every byte.
  const text = bufferOf(data).toString('latin1');
  const end = text.indexOf('\n\n');
  const headers = readHeaders(end < 0 ? text.trimEnd() : text.slice(0, end));
  const header = (name: string): string => utf8(headers.find((each) => each.name === name)?.value ?? '');
  return {
    ...links,
    author: header('author'),
    committer: header('committer'),
    message: end < 0 ? '' : utf8(text.slice(end + 2)),
  };
};

const utf8 = (latin1: string): string => Buffer.from(latin1, 'latin1').toString('utf8');

interface Header {
  readonly name: string;
  value: string;
}

const readHeaders = (text: string): readonly Header[] => {
  const headers: Header[] = [];
  for (const line of text.split('\n')) {
    const last = headers.at(-1);
    // A line that starts with a space continues the previous header (gpgsig, mergetag).
    if (line.startsWith(' ') && last !== undefined) last.value += `\n${line.slice(1)}`;
    else headers.push(readHeader(line));
  }
  if (headers.filter(({ name }) => name === 'tree').length > 1) throw new GitObjectError('the commit has more than one tree');
  return headers;
};

const readHeader = (line: string): Header => {
  const space = line.indexOf(' ');
  if (space <= 0) throw new GitObjectError('the commit has a header without a value');
  return { name: line.slice(0, space), value: line.slice(space + 1) };
};

/** Parses a tree. @throws GitObjectError */
export const parseTree = (data: Uint8Array): readonly TreeEntry[] => {
  checkSize('tree', data, MAX_TREE_BYTES);
  const bytes = bufferOf(data);
  const entries: TreeEntry[] = [];
  const names = new Set<string>();
  for (let offset = 0; offset < bytes.length; ) {
    const { entry, next } = readEntry(bytes, offset);
    // With two entries of one name, two readers of a tree could see different files.
    if (names.has(entry.name)) throw new GitObjectError(`the tree has two entries named "${entry.name}"`);
    names.add(entry.name);
    entries.push(entry);
    offset = next;
  }
  return entries;
};

/**
 * Finds the entry with a name without parsing the others. No more is read of an unverified tree.
 *
 * @throws GitObjectError if the tree ends within an entry, or has the name twice
 */
export const findTreeEntry = (data: Uint8Array, name: string): TreeEntry | undefined => {
  const bytes = bufferOf(data);
  const wanted = Buffer.from(name);
  let found: TreeEntry | undefined;
  for (let offset = 0; offset < bytes.length; ) {
    const { space, end, next } = boundsOf(bytes, offset);
    if (end - space - 1 === wanted.length && bytes.compare(wanted, 0, wanted.length, space + 1, end) === 0) {
      if (found !== undefined) throw new GitObjectError(`the tree has two entries named "${name}"`);
      found = readEntry(bytes, offset).entry;
    }
    offset = next;
  }
  return found;
};

/** Longest mode: six digits. */
const MODE_BYTES = 6;

interface EntryBounds {
  /** Offset of the space after the mode. */
  readonly space: number;
  /** Offset of the zero byte after the name. */
  readonly end: number;
  /** Offset of the next entry. */
  readonly next: number;
}

/** Finds the parts of an entry of a tree: `mode name\0id`. */
const boundsOf = (bytes: Buffer, offset: number): EntryBounds => {
  let space = offset;
  while (space <= offset + MODE_BYTES && bytes[space] !== 0x20) space += 1;
  const end = bytes.indexOf(0, space);
  const next = end + 1 + SHA1_BYTES;
  if (end < 0 || next > bytes.length) throw new GitObjectError('the tree ends within an entry');
  if (space > offset + MODE_BYTES) throw new GitObjectError('the tree has an entry without a mode');
  return { space, end, next };
};

const readEntry = (bytes: Buffer, offset: number): { entry: TreeEntry; next: number } => {
  const { space, end, next } = boundsOf(bytes, offset);
  const mode = bytes.toString('latin1', offset, space);
  const kind = KINDS.get(mode);
  if (kind === undefined) throw new GitObjectError(`the tree has an entry of mode "${mode.slice(0, 16)}"`);
  const name = decodeText(bytes.subarray(space + 1, end), 'a name in the tree');
  if (name === '' || name === '.' || name === '..' || name.includes('/') || name.toLowerCase() === '.git') {
    throw new GitObjectError(`the tree has an entry named "${name}"`);
  }
  return { entry: { mode, kind, name, id: bytes.toString('hex', end + 1, next) }, next };
};
