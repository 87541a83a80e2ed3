import { z } from 'zod';
import { type HeldRevision, MAX_APPROVERS, type RolloutStrategySpec } from '../api/index.ts';
import { parseCommit, trailersOf } from '../git/index.ts';
import { approvalTag, immediateTag, revocationTag, waveOf } from '../rollout/index.ts';
import {
  aliasesOf,
  keysOf,
  parseTag,
  SignatureError,
  type SignedTag,
  type Signer,
  type Signers,
  SKEW_MS,
  verifyTag,
} from '../signatures/index.ts';
import { shortCommit } from './errors.ts';

const Names = z.array(z.string().max(320)).max(MAX_APPROVERS);

/**
 * Rule of the commit that a cluster enforces for the step to the next one. It is stored with that
 * commit, so that the next one cannot choose its own approvers.
 */
export const ApprovalRule = z.object({
  /** Wave of the cluster. */
  wave: z.string().max(63),
  approvers: Names,
  /** Signers that are no person. */
  hostingSigners: Names,
});
export type ApprovalRule = z.infer<typeof ApprovalRule>;

/**
 * Finds the approval that the next commit needs in a cluster, by the wave that its labels select.
 *
 * @returns undefined if the next commit needs no approval
 */
export const approvalRuleOf = (
  strategy: RolloutStrategySpec | undefined,
  labels: Readonly<Record<string, string>>,
): ApprovalRule | undefined => {
  const wave = strategy && waveOf(strategy, labels);
  if (wave?.approval === undefined) return undefined;
  const { approvers = [], hostingSigners = [] } = strategy ?? {};
  return { wave: wave.name, approvers, hostingSigners };
};

/**
 * Checks that the commits after one with this strategy can be approved.
 *
 * @returns the problem; undefined if some approver has a key, or no wave needs an approval
 */
export const findApproverProblem = ({ waves, approvers = [] }: RolloutStrategySpec, signers: Signers): string | undefined =>
  waves.every(({ approval }) => approval === undefined) || keysOf(signers, approvers).length > 0
    ? undefined
    : 'spec.approvers: none of them has a key among the signers, so nobody could approve the next commit';

const IMMEDIATE = { key: 'rollout', value: 'immediate' } as const;

/**
 * Whether a commit asks by the trailer `Rollout: immediate` to skip waves. A commit with another
 * value of the trailer as well does not.
 *
 * @param commit the object without its header
 * @throws GitObjectError
 */
export const asksImmediate = (commit: Uint8Array): boolean => {
  const trailers = trailersOf(parseCommit(commit).message).filter(({ key }) => key === IMMEDIATE.key);
  return trailers.length > 0 && trailers.every(({ value }) => value.toLowerCase() === IMMEDIATE.value);
};

/** The step from the commit in force to a new one, with the tags about it. */
export interface TagInput {
  readonly revision: string;
  /** Rule of the commit in force. */
  readonly rule: Pick<ApprovalRule, 'approvers' | 'hostingSigners'>;
  /** Signer of the new commit. */
  readonly signer: Signer;
  /** Signers of the commit in force. */
  readonly base: Signers;
  /** Signers of the new commit. */
  readonly newest: Signers;
  /** Raw tag objects. */
  readonly tags: readonly Uint8Array[];
  readonly now: Date;
}

/** The step of a cluster to a commit. */
export interface ApprovalInput extends TagInput {
  /** Rule of the commit that the cluster enforces. */
  readonly rule: ApprovalRule;
  /** Whether the new commit asks to skip waves, see {@link asksImmediate}. */
  readonly isImmediate: boolean;
}

/** Returns the text of a signer for people: the name, and the fingerprint of the key. */
export const labelOf = ({ name, fingerprint }: Signer): string => `${name} (${fingerprint})`;

/** Time for which an approval holds, in milliseconds. */
const APPROVAL_MS = 24 * 60 * 60 * 1000;
const MAX_PROBLEMS = 8;
const MAX_PROBLEM_LENGTH = 512;
/** Suffix in the name of a further tag, as each name is of one tag. */
const SUFFIX = /^(\+[a-z0-9][-a-z0-9]{0,62})?$/;

const isNamed = (name: string, base: string): boolean => name.startsWith(base) && SUFFIX.test(name.slice(base.length));

/** Error of a tag that does not count. The message is for people. */
class TagProblem extends Error {}

const otherCommit = (commit: string): TagProblem => new TagProblem(`it names commit ${shortCommit(commit)}`);

const checkTag = ({ commit, tagged }: SignedTag, { revision, now }: TagInput): void => {
  if (commit !== revision) throw otherCommit(commit);
  if (tagged.getTime() > now.getTime() + SKEW_MS) throw new TagProblem(`it is of ${tagged.toISOString()}, which is in the future`);
  if (now.getTime() - tagged.getTime() > APPROVAL_MS)
    throw new TagProblem(`it is of ${tagged.toISOString()}, and an approval ends after 24 h`);
};

/** Aliases of the owner of a key. */
type Person = readonly string[];

interface Approver {
  readonly name: string;
  readonly person: Person;
}

const isSamePerson = (left: Person, right: Person): boolean => left.some((alias) => right.includes(alias));

/**
 * Finds the person who has signed a tag. The names in both commits count, so that the new commit
 * cannot give anyone another name.
 *
 * @throws TagProblem, SignatureError
 */
const approverOf = (tag: SignedTag, input: TagInput): Approver => {
  const { rule, base, newest, now } = input;
  checkTag(tag, input);
  const signers = [base, newest].map((each) => verifyTag(tag, each, now));
  const stranger = signers.find(({ principals }) => !principals.some((principal) => rule.approvers.includes(principal)));
  if (stranger !== undefined) throw new TagProblem(`${stranger.name} is no approver`);
  const person = signers.flatMap(({ aliases }) => aliases);
  if (isSamePerson(person, authorOf(input))) throw new TagProblem(`${signers[0]?.name} has signed the commit itself`);
  return { name: signers.map(labelOf)[0] ?? '', person };
};

const authorOf = ({ signer, base, newest }: TagInput): Person => [
  ...signer.aliases,
  ...aliasesOf(base, signer.fingerprint),
  ...aliasesOf(newest, signer.fingerprint),
];

/**
 * Number of approvers that a commit needs: one if its signer is a person that the commit in force
 * knows; two if that commit does not know the signer, or the key is a hosting service's. A signer
 * who adds another name is still one person.
 */
const neededFor = (input: TagInput): number => {
  const { signer, rule, base } = input;
  const isHosting = isSamePerson(
    authorOf(input),
    rule.hostingSigners.map((name) => name.toLowerCase()),
  );
  return isHosting || aliasesOf(base, signer.fingerprint).length === 0 ? 2 : 1;
};

/**
 * Finds the signer who revokes by a tag. Any signer may, and a revocation does not expire.
 *
 * @throws TagProblem, SignatureError
 */
const revokerOf = (tag: SignedTag, { revision, newest, now }: TagInput): Signer => {
  if (tag.commit !== revision) throw otherCommit(tag.commit);
  return verifyTag(tag, newest, now);
};

const bounded = (problems: readonly string[]): string[] =>
  problems.slice(0, MAX_PROBLEMS).map((problem) => problem.slice(0, MAX_PROBLEM_LENGTH));

/** Reads tags one by one, and collects their problems instead of failing. */
class TagReader {
  readonly #problems: string[] = [];

  get problems(): string[] {
    return bounded(this.#problems);
  }

  read<T>(what: string, work: () => T): T | undefined {
    try {
      return work();
    } catch (error) {
      if (!(error instanceof TagProblem || error instanceof SignatureError)) throw error;
      this.#problems.push(`${what}: ${error.message}`);
      return undefined;
    }
  }
}

const distinct = (approvers: readonly Approver[]): readonly Approver[] =>
  approvers.filter(({ person }, index) => !approvers.slice(0, index).some((other) => isSamePerson(person, other.person)));

/**
 * Whether an approver other than the signer of a commit has a key in the commit in force. Only that
 * commit counts, so that the new one cannot make the approvers aliases of its signer. Pure.
 */
export const hasOtherApprover = ({ signer, base }: Pick<TagInput, 'signer' | 'base'>, approvers: readonly string[]): boolean => {
  const author = aliasesOf(base, signer.fingerprint);
  return keysOf(base, approvers).some((fingerprint) => !isSamePerson(aliasesOf(base, fingerprint), author));
};

/**
 * Verdict on the signed tags of a commit: whether they approve it (for a wave, or for immediate
 * rollout), and how many approvers are missing.
 */
export interface TagVerdict {
  /** Whether there are enough, and no signer has revoked them. */
  readonly isGiven: boolean;
  /** Number of approvers that are missing; 0 also if a signer has revoked the tags. */
  readonly missing: number;
  /** Names of the approvers whose tags count, each with the fingerprint of the key. */
  readonly approvers: readonly string[];
  /** Reasons why other tags do not count. */
  readonly problems: readonly string[];
}

/**
 * Judges the tags of one name about a commit. They must be of as many approvers other than its
 * signer as {@link neededFor} says, and there must be no revocation. A key counts if it is valid
 * now in both commits.
 */
const judgeTags = (input: TagInput, name: string, isRevocation: (name: string) => boolean): TagVerdict => {
  const reader = new TagReader();
  const parsed = input.tags.flatMap((data) => reader.read('a tag', () => parseTag(data)) ?? []);
  const revoked = parsed
    .filter((tag) => isRevocation(tag.name))
    .flatMap((each) => reader.read(each.name, () => `revoked by the tag ${each.name} of ${revokerOf(each, input).name}`) ?? []);
  if (revoked.length > 0) return { isGiven: false, missing: 0, approvers: [], problems: bounded(revoked) };
  const given = parsed
    .filter((tag) => isNamed(tag.name, name))
    .map((each) => reader.read(each.name, () => approverOf(each, input)))
    .filter((approver) => approver !== undefined);
  const approvers = distinct(given);
  const missing = Math.max(0, neededFor(input) - approvers.length);
  return { isGiven: missing === 0, missing, approvers: approvers.map((each) => each.name), problems: reader.problems };
};

/**
 * Judges the tags by which a commit with the trailer `Rollout: immediate` skips waves. A revocation
 * for one wave counts here as well. Pure.
 */
export const judgeImmediate = (input: TagInput): TagVerdict => {
  const { revision } = input;
  return judgeTags(input, immediateTag(revision), (name) => name.startsWith(revocationTag(revision, '')));
};

/** Judges the tags that approve a commit for a wave. Pure. */
export const judgeApproval = (input: TagInput, wave: string): TagVerdict => {
  const { revision } = input;
  return judgeTags(input, approvalTag(revision, wave), (name) => isNamed(name, revocationTag(revision, wave)));
};

/**
 * Judges whether a cluster may step to a commit: it is approved for the wave of the cluster, or for
 * all at once. Pure.
 *
 * @returns what is missing; undefined if the cluster may
 */
export const findMissingApproval = (input: ApprovalInput): HeldRevision | undefined => {
  const { revision, rule } = input;
  const tag = approvalTag(revision, rule.wave);
  const { isGiven, missing, problems } = judgeApproval(input, rule.wave);
  const immediate = input.isImmediate && !isGiven ? judgeImmediate(input) : undefined;
  if (isGiven || immediate?.isGiven === true) return undefined;
  const others = immediate?.problems.filter((problem) => !problems.includes(problem)) ?? [];
  return { revision, tag, approvers: rule.approvers, missing, problems: bounded([...problems, ...others]) };
};
