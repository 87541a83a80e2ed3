import type { GetObject, GitObjectType, RawObject } from '../git/index.ts';
import { type CommitLinks, findTreeEntry, GitObjectError, MAX_COMMIT_BYTES, readCommitLinks, SIGNERS_FOLDER } from '../git/index.ts';
import { createYielder } from '../runtime/index.ts';
import { invalidSigners, shortCommit, TrustError } from './errors.ts';

/**
 * Limits, in bytes, on the proof of descent: the commits and root folders from the anchor to a
 * revision, read before any signature of it is verified.
 */
export const PROOF_LIMITS = {
  /** The folder at the root of one commit: 15,000 entries with names of 40 characters. */
  rootTreeBytes: 1024 * 1024,
  /**
   * All commits from the anchor to the revision, with their root folders: 10,000 of 1 KB, 2,200
   * where the root folder has 100 entries.
   */
  totalBytes: 10 * 1024 * 1024,
} as const;

/** Longest time that a reader holds the thread before it yields, in milliseconds. */
const SLICE_MS = 20;

const tooLarge = (what: string, bytes: number, max: number, remedy: string): TrustError =>
  new TrustError('proof-too-large', `${what} has ${bytes} bytes, more than the ${max} that are accepted: ${remedy}`);

/**
 * Reads an object of a proof.
 *
 * @throws TrustError `chain-incomplete` if the object is missing or of another type
 */
export const readObject = async (id: string, type: GitObjectType, getObject: GetObject): Promise<RawObject> => {
  const object = await getObject(id);
  if (object === undefined)
    throw new TrustError('chain-incomplete', `the ${type} ${id}, which the proof of descent needs, is missing`, true);
  if (object.type !== type) throw new TrustError('chain-incomplete', `object ${id} is a ${object.type} where a ${type} belongs`);
  return object;
};

/**
 * Reads commits and their root folders before they are verified. Their source may have forged them,
 * so the bytes are bounded, each folder is searched once without parsing all of it, and the thread
 * is yielded in between.
 */
export class ProofReader {
  readonly #getObject: GetObject;
  readonly #yieldIfDue = createYielder(SLICE_MS);
  /** Ids of the objects counted in `#bytes`. */
  readonly #read = new Set<string>();
  /** Ids of the folders `signers/`, or null, by id of the root folder. */
  readonly #signersTrees = new Map<string, string | null>();
  #bytes = 0;

  constructor(getObject: GetObject) {
    this.#getObject = getObject;
  }

  /** Reads a commit object. @throws TrustError */
  async commit(id: string): Promise<Uint8Array> {
    const { data } = await readObject(id, 'commit', this.#getObject);
    if (data.byteLength > MAX_COMMIT_BYTES)
      throw tooLarge(`commit ${shortCommit(id)}`, data.byteLength, MAX_COMMIT_BYTES, 'shorten its message');
    await this.#count(id, data);
    return data;
  }

  /** Reads the tree and the parents of a commit. @throws TrustError */
  async links(commit: string): Promise<CommitLinks> {
    try {
      return readCommitLinks(await this.commit(commit));
    } catch (error) {
      if (error instanceof GitObjectError) throw new TrustError('chain-incomplete', `commit ${shortCommit(commit)}: ${error.message}`);
      throw error;
    }
  }

  /** Object id of a commit's folder `signers/`; null if it has none. @throws TrustError */
  async signersTreeOf(commit: string): Promise<string | null> {
    const { tree } = await this.links(commit);
    const known = this.#signersTrees.get(tree);
    if (known !== undefined) return known;
    const found = await this.#findSigners(tree, commit);
    this.#signersTrees.set(tree, found);
    return found;
  }

  async #findSigners(tree: string, commit: string): Promise<string | null> {
    const { data } = await readObject(tree, 'tree', this.#getObject);
    const what = `the root folder of commit ${shortCommit(commit)}`;
    if (data.byteLength > PROOF_LIMITS.rootTreeBytes)
      throw tooLarge(what, data.byteLength, PROOF_LIMITS.rootTreeBytes, 'move files of it into folders');
    await this.#count(tree, data);
    try {
      const entry = findTreeEntry(data, SIGNERS_FOLDER);
      if (entry === undefined) return null;
      if (entry.kind === 'tree') return entry.id;
      throw new GitObjectError(`${SIGNERS_FOLDER} is a ${entry.kind}, not a folder`);
    } catch (error) {
      if (error instanceof GitObjectError) throw invalidSigners(commit, error.message);
      throw error;
    }
  }

  async #count(id: string, { byteLength }: Uint8Array): Promise<void> {
    if (!this.#read.has(id)) {
      this.#read.add(id);
      this.#bytes += byteLength;
    }
    if (this.#bytes > PROOF_LIMITS.totalBytes)
      throw new TrustError(
        'proof-too-large',
        `the commits since the one accepted last have, with their root folders, more than ${PROOF_LIMITS.totalBytes} bytes: raise the branch in steps`,
      );
    await this.#yieldIfDue();
  }
}
