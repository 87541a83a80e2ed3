import { type ClusterEvent, MAX_MESSAGE, type NewAuditEntry, type RolloutStrategySpec, WAVE_IN_TAG } from '@fso/shared/api';
import { approvalTag } from '@fso/shared/rollout';
import { truncate } from '@fso/shared/runtime';
import { count } from '@fso/shared/text';
import { changedIn, followIn, type RolloutInput, type UnseenApproval, wavesOfRun } from './clusters.ts';
import { unseenGate } from './gates.ts';
import type { RolloutRun } from './run.ts';

/**
 * Effects of signed tags on a run, as the hub judges them: a commit skips its waves, or an unseen
 * wave continues. A wave is unseen if its gates have looked at no cluster.
 */

/**
 * Decides whether a commit skips its remaining waves: its tags are given, and the run is not
 * paused.
 *
 * @returns undefined if it goes by waves
 */
export const immediateOf = ({ base, paused }: RolloutRun, { now, newest }: RolloutInput): RolloutRun['immediate'] => {
  const { revision, immediate } = newest;
  if (immediate?.isGiven !== true || paused !== null || base.revision === revision) return undefined;
  return { from: base.revision, since: now, signer: immediate.signer, taggedBy: [...immediate.approvers] };
};

/** Name of the unseen wave that halts a run; undefined if none does. */
export const unseenWave = ({ halt }: Pick<RolloutRun, 'halt'>): string | undefined =>
  halt?.gate === 'NothingLookedAt' ? halt.wave : undefined;

/** Text for people on why nobody can approve a wave. */
export const NO_APPROVERS = 'the strategy in force names no approvers';

/** Reason why the strategy lets nobody approve an unseen wave; null if someone can. */
export const findNoApprover = ({ approvers = [] }: RolloutStrategySpec, wave: string): string | null => {
  if (approvers.length === 0) return NO_APPROVERS;
  return WAVE_IN_TAG.test(wave) ? null : 'no tag can have the name of the wave';
};

/** Approval that is still to be judged. */
const notJudged = ({ base: { strategy } }: RolloutRun, wave: string): UnseenApproval => ({
  wave,
  signer: '',
  isGiven: false,
  missing: 1,
  approvers: [],
  problems: ['this hub has yet to judge its tags'],
  unneeded: findNoApprover(strategy, wave),
});

/** Whether the gates of a wave that halted as unseen look at some cluster by now. */
const isSeen = (run: RolloutRun, halted: string, input: RolloutInput): boolean => {
  const wave = wavesOfRun(run, input.clusters).find(({ name }) => name === halted);
  return wave !== undefined && unseenGate(wave, followIn(run, wave, changedIn(run, wave, input), input.now)) === undefined;
};

/**
 * Returns the approval without which an unseen wave stays halted.
 *
 * @param input undefined if it was not read yet
 * @returns undefined if no such wave is halted, or one of its clusters has proven the commit by now
 */
export const awaitedApproval = (run: RolloutRun, input: RolloutInput | undefined): UnseenApproval | undefined => {
  const wave = unseenWave(run);
  if (wave === undefined || (input !== undefined && isSeen(run, wave, input))) return undefined;
  const approval = input?.newest.revision === run.revision ? input.newest.approval : undefined;
  return approval?.wave === wave ? approval : notJudged(run, wave);
};

/** Approval that lets an unseen wave continue now; undefined if none is given or needed. */
export const givenApproval = (run: RolloutRun, { newest }: RolloutInput): UnseenApproval | undefined => {
  const { approval, revision } = newest;
  if (run.paused !== null || revision !== run.revision || approval?.isGiven !== true || approval.unneeded !== null) return undefined;
  return approval.wave === unseenWave(run) ? approval : undefined;
};

/** Describes what lets an unseen wave continue. */
export const awaitedText = ({ paused, base, revision }: RolloutRun, { wave, isGiven, missing }: UnseenApproval): string => {
  if (isGiven) return paused === null ? 'nothing, as it is approved' : '`fso rollout resume`, as it is approved';
  if (missing === 0) return 'a newer commit, as a signer has revoked the approval of this one';
  const tags = `${count(missing, 'signed tag')} ${approvalTag(revision, wave)} of ${(base.strategy.approvers ?? []).join(' or ')}`;
  return `\`fso rollout approve ${wave}\`, which prints how to make ${tags}; or a resume once a cluster of the wave has proven the commit`;
};

/** Entry of the audit log, and event, of what signed tags do. */
interface TagRecords {
  readonly entry: NewAuditEntry;
  readonly event: Omit<ClusterEvent, 'time'>;
}

interface Tagged extends Pick<NewAuditEntry, 'action' | 'detail'>, Pick<ClusterEvent, 'reason' | 'message'> {
  /** Names that are recorded as the actor. */
  readonly by: string;
}

const recordsOf = (revision: string, { by, action, detail, reason, message }: Tagged): TagRecords => ({
  entry: { actor: { kind: 'git', id: by.slice(0, 512), roles: [] }, from: null, action, subject: revision, detail },
  event: { severity: 'warning', reason, message: truncate(message, MAX_MESSAGE), revision },
});

const immediateTagged = ({ from, signer, taggedBy }: NonNullable<RolloutRun['immediate']>): Tagged => ({
  by: signer,
  action: 'rollout.immediate',
  detail: { before: from, taggedBy },
  reason: 'RolloutImmediate',
  message: `Every cluster gets the commit at once, without waves: signed by ${signer}, tagged by ${taggedBy.join(' and ')}.`,
});

const approvalTagged = ({ wave, signer, approvers }: UnseenApproval): Tagged => {
  const by = approvers.join(' and ');
  return {
    by,
    action: 'rollout.approve',
    detail: { wave, signer, approvedBy: [...approvers] },
    reason: 'RolloutApproved',
    message: `Wave ${wave} goes on although its gates looked at no cluster: signed by ${signer}, approved by ${by}.`,
  };
};

/** Makes the records of what signed tags do to a run now; undefined if they do nothing. */
export const recordsOfTags = (run: RolloutRun, input: RolloutInput): TagRecords | undefined => {
  const { revision } = input.newest;
  const immediate = immediateOf(run, input);
  if (immediate !== undefined) return recordsOf(revision, immediateTagged(immediate));
  const approval = givenApproval(run, input);
  return approval && recordsOf(revision, approvalTagged(approval));
};
