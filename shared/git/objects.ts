import { createHash } from 'node:crypto';

/**
 * Git objects as they are stored (https://git-scm.com/book/en/v2/Git-Internals-Git-Objects), read without a repository.
 * Parsers are strict: what git itself would not write is refused, because agents read objects from a hub they do not trust.
 */

export type GitObjectType = 'commit' | 'tree' | 'blob';

/** `data` is the content without the object header. */
export interface RawObject {
  readonly type: GitObjectType;
  readonly data: Uint8Array;
}

export interface GitCommit {
  readonly tree: string;
  readonly parents: readonly string[];
  /** As in the commit: `name <email> seconds zone`. */
  readonly author: string;
  readonly committer: string;
  readonly message: string;
}

export type TreeEntryKind = 'tree' | 'blob' | 'symlink' | 'submodule';

export interface TreeEntry {
  readonly mode: string;
  readonly kind: TreeEntryKind;
  readonly name: string;
  readonly id: string;
}

/** An object that is not what its type says it is. */
export class GitObjectError extends Error {
  override readonly name = 'GitObjectError';
}

const SHA1_BYTES = 20;
const ID = /^[0-9a-f]{40}$/;
const KINDS: Readonly<Record<string, TreeEntryKind>> = {
  '40000': 'tree',
  '100644': 'blob',
  '100755': 'blob',
  // Written by old versions of git; fsck only warns.
  '100664': 'blob',
  '120000': 'symlink',
  '160000': 'submodule',
};

/** The id that git gives an object: sha1 over `type length\0` and the content. */
export const objectId = (type: GitObjectType, data: Uint8Array): string =>
  createHash('sha1').update(`${type} ${data.byteLength}\0`).update(data).digest('hex');

/** @throws GitObjectError */
export const decodeText = (data: Uint8Array, what: string): string => {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(data);
  } catch {
    throw new GitObjectError(`${what} is not UTF-8`);
  }
};

/** @throws GitObjectError */
export const parseCommit = (data: Uint8Array): GitCommit => {
  // Names in old commits may be in another encoding; latin1 keeps every byte and ids are ASCII in either.
  const text = Buffer.from(data).toString('latin1');
  const end = text.indexOf('\n\n');
  const headers = readHeaders(end < 0 ? text.trimEnd() : text.slice(0, end));
  const [tree, ...others] = headers;
  if (tree?.name !== 'tree') throw new GitObjectError('the commit does not start with its tree');
  const parents = others.filter(({ name }) => name === 'parent').map(({ value }) => value);
  for (const id of [tree.value, ...parents])
    if (!ID.test(id)) throw new GitObjectError(`the commit names "${id.slice(0, 64)}" as an object id`);
  const header = (name: string): string => utf8(headers.find((each) => each.name === name)?.value ?? '');
  return {
    tree: tree.value,
    parents,
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
    // A line that starts with a space goes on with the header before it (gpgsig, mergetag).
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

/** @throws GitObjectError */
export const parseTree = (data: Uint8Array): readonly TreeEntry[] => {
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  const entries: TreeEntry[] = [];
  const names = new Set<string>();
  for (let offset = 0; offset < bytes.length; ) {
    const { entry, next } = readEntry(bytes, offset);
    // Two entries of one name would let two readers of one tree see two different files.
    if (names.has(entry.name)) throw new GitObjectError(`the tree has two entries named "${entry.name}"`);
    names.add(entry.name);
    entries.push(entry);
    offset = next;
  }
  return entries;
};

const readEntry = (bytes: Buffer, offset: number): { entry: TreeEntry; next: number } => {
  const space = bytes.indexOf(0x20, offset);
  const end = bytes.indexOf(0, offset);
  if (space < 0 || end < space || end + 1 + SHA1_BYTES > bytes.length) throw new GitObjectError('the tree ends within an entry');
  const mode = bytes.toString('latin1', offset, space);
  const kind = KINDS[mode];
  if (kind === undefined) throw new GitObjectError(`the tree has an entry of mode "${mode.slice(0, 16)}"`);
  const name = decodeText(bytes.subarray(space + 1, end), 'a name in the tree');
  if (name === '' || name === '.' || name === '..' || name.includes('/') || name.toLowerCase() === '.git') {
    throw new GitObjectError(`the tree has an entry named "${name}"`);
  }
  const next = end + 1 + SHA1_BYTES;
  return { entry: { mode, kind, name, id: bytes.toString('hex', end + 1, next) }, next };
};
