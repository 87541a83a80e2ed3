import { z } from 'zod';
import { type HeldRevision, MAX_APPROVERS, type RolloutStrategySpec } from '../api/index.ts';
import { approvalTag, revocationTag, waveOf } from '../rollout/index.ts';
import {
  aliasesOf,
  hasKeyOf,
  parseTag,
  SignatureError,
  type SignedTag,
  type Signer,
  type Signers,
  SKEW_MS,
  verifyTag,
} from '../signatures/index.ts';

const Names = z.array(z.string().max(320)).max(MAX_APPROVERS);

/**
 * Rule of the commit that a cluster enforces for the step to the next one. It is kept beside the
 * commit, so that the next one does not choose who approves it.
 */
export const ApprovalRule = z.object({
  /** Wave of the cluster. */
  wave: z.string().max(63),
  approvers: Names,
  /** Signers that are no person. */
  hostingSigners: Names,
});
export type ApprovalRule = z.infer<typeof ApprovalRule>;

/** @returns undefined: the next commit needs no approval */
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
 * Finds out whether nobody could approve what follows a commit with a strategy.
 *
 * @returns the reason; undefined: some approver has a key, or no wave needs an approval
 */
export const findApproverProblem = ({ waves, approvers = [] }: RolloutStrategySpec, signers: Signers): string | undefined =>
  waves.every(({ approval }) => approval === undefined) || hasKeyOf(signers, approvers)
    ? undefined
    : 'spec.approvers: none of them has a key among the signers, so nobody could approve the next commit';

/** The step of a cluster to a commit, and the tags about it. */
export interface ApprovalInput {
  readonly revision: string;
  /** Rule of the commit that the cluster enforces. */
  readonly rule: ApprovalRule;
  /** Signer of the new commit. */
  readonly signer: Signer;
  /** Signers of the commit that the cluster enforces. */
  readonly base: Signers;
  /** Signers of the new commit. */
  readonly newest: Signers;
  /** Raw tag objects. */
  readonly tags: readonly Uint8Array[];
  readonly now: Date;
}

/** Time for which an approval holds, in milliseconds. */
const APPROVAL_MS = 24 * 60 * 60 * 1000;
const MAX_PROBLEMS = 8;
const MAX_PROBLEM_LENGTH = 512;
/** End of the name of a further tag: one name holds one tag. */
const SUFFIX = /^(\+[a-z0-9][-a-z0-9]{0,62})?$/;

const isNamed = (name: string, base: string): boolean => name.startsWith(base) && SUFFIX.test(name.slice(base.length));

/** A tag that does not count. The message is for people. */
class TagProblem extends Error {}

const otherCommit = (commit: string): TagProblem => new TagProblem(`it names commit ${commit.slice(0, 12)}`);

const checkTag = ({ commit, tagged }: SignedTag, { revision, now }: ApprovalInput): void => {
  if (commit !== revision) throw otherCommit(commit);
  if (tagged.getTime() > now.getTime() + SKEW_MS) throw new TagProblem(`it is of ${tagged.toISOString()}, which is in the future`);
  if (now.getTime() - tagged.getTime() > APPROVAL_MS)
    throw new TagProblem(`it is of ${tagged.toISOString()}, and an approval ends after 24 h`);
};

/** Names of the owner of a key. */
type Person = readonly string[];

const isSamePerson = (left: Person, right: Person): boolean => left.some((alias) => right.includes(alias));

/**
 * The person who has signed a tag: as both commits name them, so that the new one gives nobody
 * another name.
 *
 * @throws TagProblem, SignatureError
 */
const approverOf = (tag: SignedTag, input: ApprovalInput): Person => {
  const { rule, base, newest, now } = input;
  checkTag(tag, input);
  const signers = [base, newest].map((each) => verifyTag(tag, each, now));
  const stranger = signers.find(({ principals }) => !principals.some((principal) => rule.approvers.includes(principal)));
  if (stranger !== undefined) throw new TagProblem(`${stranger.name} is no approver`);
  const person = signers.flatMap(({ aliases }) => aliases);
  if (isSamePerson(person, authorOf(input))) throw new TagProblem(`${signers[0]?.name} has signed the commit itself`);
  return person;
};

const authorOf = ({ signer, base, newest }: ApprovalInput): Person => [
  ...signer.aliases,
  ...aliasesOf(base, signer.fingerprint),
  ...aliasesOf(newest, signer.fingerprint),
];

/**
 * Number of approvers that a commit needs. Its signer must be a person that the commit in force
 * knows: a signer who adds another name is still one person.
 */
const neededFor = (input: ApprovalInput): number => {
  const { signer, rule, base } = input;
  const isHosting = isSamePerson(
    authorOf(input),
    rule.hostingSigners.map((name) => name.toLowerCase()),
  );
  return isHosting || aliasesOf(base, signer.fingerprint).length === 0 ? 2 : 1;
};

/**
 * The signer who revokes by a tag: any may take an approval back, and that does not end. @throws
 * TagProblem, SignatureError
 */
const revokerOf = (tag: SignedTag, { revision, newest, now }: ApprovalInput): Signer => {
  if (tag.commit !== revision) throw otherCommit(tag.commit);
  return verifyTag(tag, newest, now);
};

const bounded = (problems: readonly string[]): string[] =>
  problems.slice(0, MAX_PROBLEMS).map((problem) => problem.slice(0, MAX_PROBLEM_LENGTH));

/** Reads tags one by one. What is wrong with one is noted, and ends nothing. */
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

const distinct = (approvers: readonly Person[]): readonly Person[] =>
  approvers.filter((approver, index) => !approvers.slice(0, index).some((other) => isSamePerson(approver, other)));

/**
 * Judges whether a cluster may step to a commit: an approver other than its signer has approved it
 * for the wave, two if no person known there has signed it, and no signer has revoked that. A key
 * counts if it is valid now in both commits. Pure.
 *
 * @returns undefined: it may; else what is missing
 */
export const findMissingApproval = (input: ApprovalInput): HeldRevision | undefined => {
  const { revision, rule, tags } = input;
  const reader = new TagReader();
  const parsed = tags.flatMap((data) => reader.read('a tag', () => parseTag(data)) ?? []);
  const tag = approvalTag(revision, rule.wave);
  const held = { revision, tag, approvers: rule.approvers };
  const revoked = parsed
    .filter(({ name }) => isNamed(name, revocationTag(revision, rule.wave)))
    .flatMap((each) => reader.read(each.name, () => `revoked by the tag ${each.name} of ${revokerOf(each, input).name}`) ?? []);
  if (revoked.length > 0) return { ...held, missing: 0, problems: bounded(revoked) };
  const given = parsed
    .filter(({ name }) => isNamed(name, tag))
    .map((each) => reader.read(each.name, () => approverOf(each, input)))
    .filter((person) => person !== undefined);
  const missing = Math.max(0, neededFor(input) - distinct(given).length);
  return missing === 0 ? undefined : { ...held, missing, problems: reader.problems };
};
