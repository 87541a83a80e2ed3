import { decodeText, findTreeEntry, type GetObject, GitObjectError, SIGNERS_FILES, SIGNERS_FOLDER, type TreeEntry } from '../git/index.ts';
import {
  MAX_SIGNERS_BYTES,
  parseSigners,
  SignatureError,
  type SignatureProblem,
  type Signer,
  type SignerFiles,
  type Signers,
  SignersError,
  verifyCommit,
} from '../signatures/index.ts';
import { invalidSigners, shortCommit, TrustError } from './errors.ts';
import { ProofReader, readObject } from './proof-reader.ts';

const readSignerFile = async (entry: TreeEntry, commit: string, getObject: GetObject): Promise<string> => {
  const path = `${SIGNERS_FOLDER}/${entry.name}`;
  if (entry.kind !== 'blob') throw invalidSigners(commit, `${path} is a ${entry.kind}, not a plain file`);
  const { data } = await readObject(entry.id, 'blob', getObject);
  if (data.byteLength > MAX_SIGNERS_BYTES) throw invalidSigners(commit, `${path} has more than ${MAX_SIGNERS_BYTES} bytes`);
  return decodeText(data, path);
};

/**
 * Reads the signers in a commit. @throws TrustError, also if they cannot be parsed
 */
const readCommittedSigners = async (tree: string, commit: string, getObject: GetObject): Promise<Signers> => {
  const { data } = await readObject(tree, 'tree', getObject);
  const files: Partial<Record<keyof SignerFiles, string>> = {};
  try {
    for (const [name, file] of Object.entries(SIGNERS_FILES)) {
      const entry = findTreeEntry(data, name);
      if (entry !== undefined) files[file] = await readSignerFile(entry, commit, getObject);
    }
    return parseSigners(files);
  } catch (error) {
    if (error instanceof GitObjectError || error instanceof SignersError) throw invalidSigners(commit, error.message);
    throw error;
  }
};

/** State of trust before a revision is judged, and after it. */
export interface TrustState {
  /** Commit that the next one must descend from; null if none was accepted yet. */
  readonly anchor: string | null;
  /** Keys that may sign the next commit. */
  readonly signers: Signers;
  /**
   * The folder `signers/` that they come from; null if the anchor has none; undefined if they are
   * configured, and no commit was verified with them yet.
   */
  readonly signersTree: string | null | undefined;
}

/** A revision that may follow the accepted one, and the commits between them. */
export interface Proposal {
  readonly revision: string;
  /** Commit at which the chain begins; null if the proposer knows no way from the anchor. */
  readonly from: string | null;
  /**
   * Commits from `from` (exclusive) to `revision` (inclusive), oldest first; each is a parent of
   * the next.
   */
  readonly chain: readonly string[];
  /** Error by which no way could be found; absent if there is none. */
  readonly problem?: TrustError;
}

/** Signer of a trusted revision, and the signers of those that follow it. */
export interface Trusted {
  readonly signer: Signer;
  readonly state: TrustState;
  /** Commits after the anchor up to the revision, oldest first; only the revision without one. */
  readonly path: readonly string[];
}

/** Objects of the commits, and the time at which keys are judged. */
export interface JudgeContext {
  readonly getObject: GetObject;
  readonly now: Date;
}

/** The commits of the proposal after the anchor. Their links are not proven yet. */
const afterAnchor = (anchor: string, { revision, from, chain, problem }: Proposal): readonly string[] => {
  if (from === null)
    throw (
      problem ??
      new TrustError(
        'not-a-descendant',
        `commit ${shortCommit(revision)} is not shown to descend from ${shortCommit(anchor)}, which was accepted last: history was rewritten or rewound, commits are withheld, or too much lies between`,
      )
    );
  const whole = [from, ...chain];
  const at = whole.indexOf(anchor);
  // The proposer may know an older anchor. If it learns this one, it can build a complete chain.
  if (at < 0)
    throw new TrustError(
      'chain-incomplete',
      `the commits between ${shortCommit(anchor)}, which was accepted last, and ${shortCommit(revision)} are not all there`,
      true,
    );
  return whole.slice(at + 1);
};

/**
 * The commits from the anchor to the revision, as they are proposed: that they are parents of each
 * other is not proven yet.
 */
const proposedPath = ({ anchor }: TrustState, proposal: Proposal): readonly string[] => {
  const { revision, chain } = proposal;
  if (chain.at(-1) !== revision) throw new TrustError('chain-incomplete', 'the chain of commits does not end at the revision');
  return anchor === null || anchor === revision ? [revision] : afterAnchor(anchor, proposal);
};

/**
 * Proves that the path leads from the anchor to its end. It begins with the newest link, so that
 * only commits are read from which the revision descends.
 */
const proveLinks = async (path: readonly string[], { anchor }: TrustState, reader: ProofReader): Promise<void> => {
  if (anchor === null || anchor === path.at(-1)) return;
  for (const [index, commit] of [...path.entries()].reverse()) {
    const before = path[index - 1] ?? anchor;
    if (!(await reader.links(commit)).parents.includes(before))
      throw new TrustError(
        'chain-incomplete',
        `commit ${shortCommit(commit)} is offered as a child of ${shortCommit(before)}, which it is not`,
      );
  }
};

type Keys = Pick<TrustState, 'signers' | 'signersTree'>;

/** Verifies a signature. @throws TrustError if none of the signers has signed the commit */
const checkSignature = async (commit: string, signers: Signers, reader: ProofReader, now: Date): Promise<Signer> => {
  const data = await reader.commit(commit);
  try {
    return verifyCommit(data, signers, now);
  } catch (error) {
    if (error instanceof SignatureError) throw new TrustError(error.code, `commit ${shortCommit(commit)}: ${error.message}`);
    throw error;
  }
};

/** Judges one revision. */
class Judge {
  readonly #state: TrustState;
  readonly #context: JudgeContext;
  readonly #reader: ProofReader;

  constructor(state: TrustState, context: JudgeContext) {
    this.#state = state;
    this.#context = context;
    this.#reader = new ProofReader(context.getObject);
  }

  async judge(proposal: Proposal): Promise<Trusted> {
    const path = proposedPath(this.#state, proposal);
    const { revision } = proposal;
    // With configured keys, only the revision itself is judged: earlier keys are unknown.
    const between = this.#state.signersTree === undefined ? [] : path.slice(0, -1);
    const known = await this.#checkEarly(revision, between.length > 0);
    await proveLinks(path, this.#state, this.#reader);
    let keys: Keys = this.#state;
    for (const commit of between) {
      if ((await this.#reader.signersTreeOf(commit)) === keys.signersTree) continue;
      await checkSignature(commit, keys.signers, this.#reader, this.#context.now);
      keys = await this.#successors(commit, keys);
    }
    const signer =
      known !== undefined && keys === this.#state ? known : await checkSignature(revision, keys.signers, this.#reader, this.#context.now);
    return { signer, path, state: { anchor: revision, ...(await this.#successors(revision, keys)) } };
  }

  /**
   * Checks the revision by the current keys before anything else is read. If no other keys could
   * make it valid, it is refused here.
   *
   * @returns undefined if a commit on the path may introduce the key of its signer
   */
  async #checkEarly(revision: string, mayHandOver: boolean): Promise<Signer | undefined> {
    try {
      return await checkSignature(revision, this.#state.signers, this.#reader, this.#context.now);
    } catch (error) {
      if (mayHandOver && error instanceof TrustError && BY_KEYS.includes(error.code)) return undefined;
      throw error;
    }
  }

  /** Keys that may sign the commits after a commit. */
  async #successors(commit: string, before: Keys): Promise<Keys> {
    const signersTree = await this.#reader.signersTreeOf(commit);
    if (signersTree === before.signersTree) return before;
    if (signersTree !== null) return { signers: await readCommittedSigners(signersTree, commit, this.#context.getObject), signersTree };
    if (typeof before.signersTree === 'string')
      throw new TrustError(
        'signers-removed',
        `commit ${shortCommit(commit)} removes the folder signers/: nobody could sign the commits after it`,
      );
    return { signers: before.signers, signersTree: null };
  }
}

/** Refusals that other keys may lift; an OpenPGP signature need not name its key. */
const BY_KEYS: readonly string[] = ['signer-unknown', 'signer-not-valid', 'signature-invalid'] satisfies SignatureProblem[];

/**
 * Judges a revision: that it descends from the anchor, and that it is signed by one of the signers.
 * A commit on the way that changes `signers/` must be signed by those who could sign until then;
 * from there on the new ones sign. Other commits on the way need no signature, since none of them
 * is put in force.
 *
 * @throws TrustError
 */
export const judgeRevision = (state: TrustState, proposal: Proposal, context: JudgeContext): Promise<Trusted> =>
  new Judge(state, context).judge(proposal);

/**
 * Checks that the key of a commit which was judged before is still one of the signers of a newer
 * one. @throws TrustError
 */
export const checkStillTrusted = async (
  revision: string,
  newer: { readonly revision: string; readonly signers: Signers },
  { getObject, now }: JudgeContext,
): Promise<void> => {
  try {
    await checkSignature(revision, newer.signers, new ProofReader(getObject), now);
  } catch (error) {
    if (!(error instanceof TrustError)) throw error;
    const { code, message } = error;
    throw new TrustError(code, `${message}, by the signers of commit ${shortCommit(newer.revision)}, which is newer`);
  }
};

/**
 * Reads the signers whom a verified commit trusts for those after it: its own, or else the
 * configured ones. @throws TrustError
 */
export const signersIn = async (commit: string, configured: Signers, getObject: GetObject): Promise<Signers> => {
  const tree = await new ProofReader(getObject).signersTreeOf(commit);
  return tree === null ? configured : readCommittedSigners(tree, commit, getObject);
};

/** Most parents of a merge whose signers are tried. */
const MAX_PARENTS = 8;

/**
 * Finds the signer of a verified commit.
 *
 * @param known signers that are tried before the configured ones and those of its parents; the
 * latter may give a key any name
 * @returns undefined if none of these has signed it
 * @throws TrustError
 */
export const signerOf = async (
  revision: string,
  { known, configured }: { readonly known: readonly Signers[]; readonly configured: Signers },
  { getObject, now }: JudgeContext,
): Promise<Signer | undefined> => {
  const reader = new ProofReader(getObject);
  const data = await reader.commit(revision);
  const { parents } = await reader.links(revision);
  for (const candidate of [...known, configured, ...parents.slice(0, MAX_PARENTS)]) {
    const signers = typeof candidate === 'string' ? await signersIn(candidate, configured, getObject) : candidate;
    try {
      return verifyCommit(data, signers, now);
    } catch (error) {
      if (!(error instanceof SignatureError)) throw error;
    }
  }
  return undefined;
};
