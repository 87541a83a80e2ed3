import { z } from 'zod';
import type { RevisionVerification } from '../api/index.ts';
import { truncate } from '../runtime/index.ts';
import { parseSigners, type Signer, type Signers, SignersError } from '../signatures/index.ts';
import { type ApprovalRule, labelOf } from './approval.ts';
import { TrustError, type TrustProblem } from './errors.ts';
import { checkStillTrusted, type JudgeContext, judgeRevision, type Proposal, type TrustState } from './judge.ts';
import type { TrustConfig } from './trust-config.ts';

/** Record of trust that is stored with the accepted revision, over restarts. */
export const StoredTrust = z.object({
  /**
   * Digest of the signers that were configured. Once others are configured, the signers from Git no
   * longer count.
   */
  root: z.string().max(128),
  /** See TrustState; absent for undefined. */
  signersTree: z.string().max(64).nullable().optional(),
  allowedSigners: z.string().optional(),
  keyring: z.string().optional(),
});
export type StoredTrust = z.infer<typeof StoredTrust>;

/** Revision that was accepted last. */
export interface AcceptedRevision {
  readonly revision: string;
  readonly verification: RevisionVerification;
  readonly trust: StoredTrust | undefined;
  /** undefined if it is not known, or the revision was not verified. */
  readonly signer?: Signer | undefined;
  /** Rule for the step to the next revision; undefined if that needs no approval. */
  readonly approval?: ApprovalRule | undefined;
}

/**
 * The newest verified commit, if it is ahead of the one in force. Its policies wait, but its
 * signers count already.
 */
export interface VerifiedAhead extends AcceptedRevision {
  /** Commits after the one in force up to this one, oldest first. */
  readonly path: readonly string[];
}

/** Signer and trust of a revision that may be accepted, or why it may not. */
export type Judgement =
  | ({ readonly ok: true } & Pick<AcceptedRevision, 'verification' | 'trust' | 'signer'> & {
        /**
         * Commits after the one that it was judged from: the accepted one, or the newest verified
         * one if that is ahead. Empty if it is that one, or was not verified.
         */
        readonly path: readonly string[];
      })
  /** `missing`: whether an object was not there. */
  | { readonly ok: false; readonly code: TrustProblem; readonly message: string; readonly missing: boolean };

const MAX_REASON = 2048;

const storeTrust = (root: Signers, { signers, signersTree }: TrustState): StoredTrust => ({
  root: root.digest,
  ...(signersTree === undefined ? {} : { signersTree }),
  ...(typeof signersTree === 'string' ? signers.files : {}),
});

/**
 * Parses stored signers. Those that another version wrote and this one cannot read are undefined,
 * so that the configured ones count.
 */
const parseStored = ({ allowedSigners, keyring }: StoredTrust): Signers | undefined => {
  try {
    return parseSigners({ allowedSigners, keyring });
  } catch (error) {
    if (error instanceof SignersError) return undefined;
    throw error;
  }
};

const restoreTrust = (root: Signers, accepted: AcceptedRevision | undefined): TrustState => {
  const anchor = accepted?.revision ?? null;
  const stored = accepted?.trust;
  const configured: TrustState = { anchor, signers: root, signersTree: undefined };
  if (stored === undefined || stored.root !== root.digest) return configured;
  if (typeof stored.signersTree !== 'string') return { ...configured, signersTree: stored.signersTree };
  const signers = parseStored(stored);
  return signers === undefined ? configured : { anchor, signers, signersTree: stored.signersTree };
};

/** Signers that a judged commit trusts; undefined if nothing is verified. */
export const signersOf = (config: TrustConfig, trust: StoredTrust | undefined): Signers | undefined =>
  config.mode === 'off' ? undefined : restoreTrust(config.signers, { revision: '', verification: { state: 'verified' }, trust }).signers;

/**
 * Whether an accepted revision was judged by the signers that are configured now, and as strictly
 * as is configured now.
 */
export const isJudged = (config: TrustConfig, { verification, trust }: AcceptedRevision): boolean => {
  if (config.mode === 'off') return true;
  const { state } = verification;
  return trust?.root === config.signers.digest && (state === 'verified' || (state === 'failed' && config.mode === 'warn'));
};

/**
 * Makes the judgement of a revision from an error. In mode `warn` the revision is accepted, but its
 * keys are not.
 */
const verdictOn = (config: TrustConfig, trust: StoredTrust | undefined, error: unknown): Judgement => {
  if (!(error instanceof TrustError)) throw error;
  const { code, message, missing } = error;
  if (config.mode === 'strict' || missing) return { ok: false, code, message, missing };
  return { ok: true, verification: { state: 'failed', reason: truncate(`${code}: ${message}`, MAX_REASON) }, trust, path: [] };
};

/** Judges a revision by the configuration and the revision that was accepted before. */
export const judge = async (
  config: TrustConfig,
  accepted: AcceptedRevision | undefined,
  proposal: Proposal,
  context: JudgeContext,
): Promise<Judgement> => {
  if (config.mode === 'off') return { ok: true, verification: { state: 'unverified' }, trust: accepted?.trust, path: [] };
  if (accepted?.revision === proposal.revision && isJudged(config, accepted))
    return { ok: true, verification: accepted.verification, trust: accepted.trust, signer: accepted.signer, path: [] };
  const before = restoreTrust(config.signers, accepted);
  try {
    const { signer, state, path } = await judgeRevision(before, proposal, context);
    const verification: RevisionVerification = { state: 'verified', signer: labelOf(signer) };
    return { ok: true, verification, trust: storeTrust(config.signers, state), signer, path };
  } catch (error) {
    return verdictOn(config, storeTrust(config.signers, before), error);
  }
};

/** Commit in force, and the newest one that was verified. */
export interface KnownCommits {
  /** undefined if none is in force. */
  readonly accepted: AcceptedRevision | undefined;
  /** undefined if it is the commit in force. */
  readonly ahead?: VerifiedAhead | undefined;
}

/**
 * Judges a revision that is to be put in force: it must follow the newest verified commit, or be on
 * the way there and have a signer whom the newest commit still trusts.
 */
export const judgeNext = async (
  config: TrustConfig,
  { accepted, ahead }: KnownCommits,
  proposal: Proposal,
  context: JudgeContext,
): Promise<Judgement> => {
  const { revision } = proposal;
  if (ahead === undefined || revision === accepted?.revision) return judge(config, accepted, proposal, context);
  if (revision === ahead.revision || !ahead.path.includes(revision)) return judge(config, ahead, proposal, context);
  const judgement = await judge(config, accepted, proposal, context);
  const signers = signersOf(config, ahead.trust);
  if (!judgement.ok || judgement.verification.state !== 'verified' || signers === undefined) return judgement;
  try {
    await checkStillTrusted(revision, { revision: ahead.revision, signers }, context);
    return judgement;
  } catch (error) {
    return verdictOn(config, accepted?.trust, error);
  }
};
