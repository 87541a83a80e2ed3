import type { GetObject } from '../git/index.ts';
import { GitObjectError, parseCommit } from '../git/index.ts';
import type { Signers } from '../signatures/index.ts';
import { type CommitSigner, SignatureError, verifyCommit } from '../signatures/index.ts';
import { readCommittedSigners, readObject, signersTreeOf } from './committed-signers.ts';
import { shortCommit, TrustError } from './errors.ts';

/** What is believed before a revision is judged, and after it. */
export interface TrustState {
  /** Commit that the next one must descend from; null: none was accepted yet. */
  readonly anchor: string | null;
  /** Who may sign the next commit. */
  readonly signers: Signers;
  /** The folder `signers/` that they come from; null: the anchor has none; undefined: they are configured, and no commit was verified with them yet. */
  readonly signersTree: string | null | undefined;
}

export interface Proposal {
  readonly revision: string;
  /** Where the chain begins; null: the proposer knows no way from the anchor. */
  readonly from: string | null;
  /** Commits from `from` (exclusive) to `revision` (inclusive), oldest first; each is a parent of the next. */
  readonly chain: readonly string[];
}

export interface Trusted {
  readonly signer: CommitSigner;
  readonly state: TrustState;
}

export interface JudgeContext {
  readonly getObject: GetObject;
  readonly now: Date;
}

const parentsOf = async (commit: string, getObject: GetObject): Promise<readonly string[]> => {
  try {
    return parseCommit((await readObject(commit, 'commit', getObject)).data).parents;
  } catch (error) {
    if (error instanceof GitObjectError) throw new TrustError('chain-incomplete', `commit ${shortCommit(commit)}: ${error.message}`);
    throw error;
  }
};

/** The commits of the proposal that come after the anchor. They are not linked yet. */
const afterAnchor = (anchor: string, { revision, from, chain }: Proposal): readonly string[] => {
  if (from === null)
    throw new TrustError(
      'not-a-descendant',
      `commit ${shortCommit(revision)} is not shown to descend from ${shortCommit(anchor)}, which was accepted last: history was rewritten or rewound, or commits are withheld`,
    );
  const whole = [from, ...chain];
  const at = whole.indexOf(anchor);
  // The proposer may know an older anchor; with this one it can build a complete chain.
  if (at < 0)
    throw new TrustError(
      'chain-incomplete',
      `the commits between ${shortCommit(anchor)}, which was accepted last, and ${shortCommit(revision)} are not all there`,
      true,
    );
  return whole.slice(at + 1);
};

/** @returns the commits from the anchor to the revision, proven to be parents of each other */
const linkedPath = async (state: TrustState, proposal: Proposal, getObject: GetObject): Promise<readonly string[]> => {
  const { revision, chain } = proposal;
  const { anchor } = state;
  if (chain.at(-1) !== revision) throw new TrustError('chain-incomplete', 'the chain of commits does not end at the revision');
  if (anchor === null || anchor === revision) return [revision];
  let before = anchor;
  const path = afterAnchor(anchor, proposal);
  for (const commit of path) {
    if (!(await parentsOf(commit, getObject)).includes(before))
      throw new TrustError(
        'chain-incomplete',
        `commit ${shortCommit(commit)} is offered as a child of ${shortCommit(before)}, which it is not`,
      );
    before = commit;
  }
  return path;
};

const checkSignature = async (commit: string, signers: Signers, { getObject, now }: JudgeContext): Promise<CommitSigner> => {
  const { data } = await readObject(commit, 'commit', getObject);
  try {
    return verifyCommit(data, signers, now);
  } catch (error) {
    if (error instanceof SignatureError) throw new TrustError(error.code, `commit ${shortCommit(commit)}: ${error.message}`);
    throw error;
  }
};

type Keys = Pick<TrustState, 'signers' | 'signersTree'>;

/** Who may sign what comes after a commit. */
const successors = async (commit: string, before: Keys, getObject: GetObject): Promise<Keys> => {
  const signersTree = await signersTreeOf(commit, getObject);
  if (signersTree === before.signersTree) return before;
  if (signersTree !== null) return { signers: await readCommittedSigners(signersTree, commit, getObject), signersTree };
  if (typeof before.signersTree === 'string')
    throw new TrustError(
      'signers-removed',
      `commit ${shortCommit(commit)} removes the folder signers/: nobody could sign the commits after it`,
    );
  return { signers: before.signers, signersTree: null };
};

/**
 * Judges a revision: that it descends from the anchor, and that it is signed by one of the signers. A commit on the way that
 * changes `signers/` must be signed by those who could sign until then; from there on the new ones sign. Other commits on
 * the way need no signature, since none of them is put in force.
 *
 * @throws TrustError
 */
export const judgeRevision = async (state: TrustState, proposal: Proposal, context: JudgeContext): Promise<Trusted> => {
  const { getObject } = context;
  const path = await linkedPath(state, proposal, getObject);
  let keys: Keys = state;
  // With configured keys only the revision itself is judged: those of before are unknown.
  const between = state.signersTree === undefined ? [] : path.slice(0, -1);
  for (const commit of between) {
    if ((await signersTreeOf(commit, getObject)) === keys.signersTree) continue;
    await checkSignature(commit, keys.signers, context);
    keys = await successors(commit, keys, getObject);
  }
  const { revision } = proposal;
  const signer = await checkSignature(revision, keys.signers, context);
  return { signer, state: { anchor: revision, ...(await successors(revision, keys, getObject)) } };
};
