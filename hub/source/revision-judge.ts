import type { ProblemView, RevisionVerification } from '@fso/shared/api';
import { GitObjectError } from '@fso/shared/git';
import { type AcceptedRevision, judge, type StoredTrust, type TrustConfig } from '@fso/shared/trust';
import type { RevisionReader } from './object-access.ts';

export type HubJudgement =
  | { readonly ok: true; readonly verification: RevisionVerification; readonly trust: StoredTrust | undefined }
  | { readonly ok: false; readonly problems: readonly ProblemView[] };

export interface RevisionJudge {
  /** Says what was accepted last; kept by the caller over restarts. */
  accept(revision: AcceptedRevision): void;
  /** Whether a commit may follow what was accepted last: as agents judge it, only sooner. */
  judge(revision: string): Promise<HubJudgement>;
}

export const createRevisionJudge = (config: TrustConfig, reader: RevisionReader, now: () => Date): RevisionJudge => {
  let accepted: AcceptedRevision | undefined;

  /** The way from what was accepted; without one, it is a commit without history to whoever judges. */
  const propose = async (revision: string) => {
    const anchor = accepted?.revision ?? null;
    const chain = anchor === null || anchor === revision ? [revision] : await reader.chain(anchor, revision);
    return chain === null ? { revision, from: null, chain: [revision] } : { revision, from: anchor, chain };
  };

  const decide = async (revision: string): Promise<HubJudgement> => {
    const proposal = config.mode === 'off' ? { revision, from: null, chain: [revision] } : await propose(revision);
    const judgement = await judge(config, accepted, proposal, { getObject: reader.object, now: now() });
    return judgement.ok ? judgement : { ok: false, problems: [{ code: judgement.code, reason: judgement.message }] };
  };

  return {
    accept: (revision) => {
      accepted = revision;
    },
    judge: async (revision) => {
      try {
        return await decide(revision);
      } catch (error) {
        // History that Git itself would not have written.
        if (error instanceof GitObjectError) return { ok: false, problems: [{ code: 'chain-incomplete', reason: error.message }] };
        throw error;
      }
    },
  };
};
