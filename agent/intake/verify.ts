import type { Offer, Reason } from '@fso/shared/protocol';
import { type AcceptedRevision, type Judgement, judge, type TrustConfig } from '@fso/shared/trust';
import type { CheckedObjects, ObjectStore } from './object-store.ts';

export interface VerifyContext {
  readonly trust: TrustConfig;
  readonly held: ObjectStore;
  readonly now: Date;
  /** What the offer must descend from, and who may sign it. */
  readonly accepted: AcceptedRevision | undefined;
}

export type VerifiedOffer =
  | Extract<Judgement, { ok: true }>
  /** `missing`: an object is not there, or the hub spoke of another commit than the one accepted last; it has to start anew. */
  | { readonly ok: false; readonly reason: Reason; readonly missing: boolean };

/** Whether somebody who may signed the commit, and it descends from what was accepted last. */
export const verifyOffer = async (
  { revision, anchor, chain }: Offer,
  { objects }: Extract<CheckedObjects, { ok: true }>,
  { trust, held, now, accepted }: VerifyContext,
): Promise<VerifiedOffer> => {
  const getObject = (id: string) => objects.get(id) ?? held.get(id);
  const judgement = await judge(trust, accepted, { revision, from: anchor, chain }, { getObject, now });
  if (judgement.ok) return judgement;
  const { code, message, missing } = judgement;
  return { ok: false, reason: { code, message: message.slice(0, 4096) }, missing };
};
