import { digestOfToken } from '@fso/shared/protocol';
import { messageOf } from '@fso/shared/runtime';
import { checkIdentity, type ValidityPeriod } from './certificate.ts';
import type { StoredIdentity } from './identity-secret.ts';

/** How an agent comes to something to prove itself with. */
export type IdentityPlan =
  /** What is there is good. */
  | { readonly kind: 'use'; readonly validity: ValidityPeriod }
  /** What is there has expired, or is not good yet, as after a clock that ran ahead was put right; the hub may renew it all the same. */
  | { readonly kind: 'renew' }
  /** With the token. `otherwise`: what to do should the hub refuse it. */
  | { readonly kind: 'enrol'; readonly otherwise: Exclude<IdentityPlan, { readonly kind: 'enrol' }> }
  | { readonly kind: 'nothing'; readonly reason: string };

export interface Situation {
  readonly stored: StoredIdentity;
  readonly cluster: string;
  readonly token: string | undefined;
  readonly now: Date;
}

const withoutToken = ({ stored, cluster, token, now }: Situation): Exclude<IdentityPlan, { kind: 'enrol' }> => {
  if (stored.identity === undefined) {
    const reason = token === undefined ? 'there is neither an identity nor a token' : 'there is no identity yet';
    return { kind: 'nothing', reason: `${reason}: run "fso clusters token ${cluster}" and start the agent with FSO_ENROLL_TOKEN` };
  }
  try {
    const validity = checkIdentity(stored.identity, cluster);
    return validity.from <= now && now < validity.until ? { kind: 'use', validity } : { kind: 'renew' };
  } catch (error) {
    const why = messageOf(error);
    return {
      kind: 'nothing',
      reason: `what the Secret holds is no identity of this cluster (${why}): run "fso clusters token ${cluster}"`,
    };
  }
};

/**
 * A token that the present identity was not made with is a new one, and somebody's wish that the agent enrol anew; the one that it was made
 * with is spent and stays in the settings, as settings do. Pure.
 */
export const planIdentity = (situation: Situation): IdentityPlan => {
  const { stored, token } = situation;
  const otherwise = withoutToken(situation);
  if (token === undefined) return otherwise;
  const isSpent = stored.identity !== undefined && stored.enrolledWith === digestOfToken(token);
  return isSpent && otherwise.kind !== 'nothing' ? otherwise : { kind: 'enrol', otherwise };
};

/** Of a validity, how much passes before the next certificate is asked for: two thirds, and a little less, so that a fleet does not ask at once. */
const RENEW_AT = { share: 2 / 3, jitter: 0.1 } as const;
const MIN_WAIT_MS = 10_000;

/** How long to wait before a renewal. */
export const renewInMs = ({ from, until }: ValidityPeriod, now: Date, random: number): number => {
  const share = RENEW_AT.share * (1 - RENEW_AT.jitter * random);
  const at = from.getTime() + (until.getTime() - from.getTime()) * share;
  return Math.max(MIN_WAIT_MS, at - now.getTime());
};
