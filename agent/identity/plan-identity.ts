import { digestOfToken } from '@fso/shared/protocol';
import { messageOf } from '@fso/shared/runtime';
import { checkIdentity, type ValidityPeriod } from './certificate.ts';
import type { StoredIdentity } from './identity-secret.ts';

/** Plan by which the agent obtains its identity. */
export type IdentityPlan =
  /** Uses the stored identity, which is valid. */
  | { readonly kind: 'use'; readonly validity: ValidityPeriod }
  /**
   * Renews the stored identity, which has expired or is not valid yet, e.g. after a fast clock was
   * corrected. The hub may still renew it.
   */
  | { readonly kind: 'renew' }
  /** Enrols with the token. `otherwise`: plan if the hub refuses the token or has another CA. */
  | { readonly kind: 'enrol'; readonly otherwise: Exclude<IdentityPlan, { readonly kind: 'enrol' }> }
  | { readonly kind: 'nothing'; readonly reason: string };

/** Stored identity, and a token that may replace it. */
export interface IdentityInput {
  readonly stored: StoredIdentity;
  readonly cluster: string;
  readonly token: string | undefined;
  readonly now: Date;
}

const withoutToken = ({ stored, cluster, token, now }: IdentityInput): Exclude<IdentityPlan, { kind: 'enrol' }> => {
  if (stored.identity === undefined) {
    const reason = token === undefined ? 'there is neither an identity nor a token' : 'there is no identity yet';
    return { kind: 'nothing', reason: `${reason}: run "fso clusters token ${cluster}" and give the agent the token it prints` };
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
 * Plans how to obtain the identity. A token other than the one used before is new and requests
 * another enrolment. The one used before is spent, but may stay in the settings. Pure.
 */
export const planIdentity = (input: IdentityInput): IdentityPlan => {
  const { stored, token } = input;
  const otherwise = withoutToken(input);
  if (token === undefined) return otherwise;
  const isSpent = stored.identity !== undefined && stored.enrolledWith === digestOfToken(token);
  return isSpent && otherwise.kind !== 'nothing' ? otherwise : { kind: 'enrol', otherwise };
};

/**
 * Share of the validity period after which a renewal is due: two thirds, less some jitter, so that
 * a fleet does not renew at once.
 */
const RENEW_AT = { share: 2 / 3, jitter: 0.1 } as const;
const MIN_WAIT_MS = 10_000;

/**
 * Computes the time until the renewal, in ms.
 *
 * @param random 0 ≤ x < 1
 */
export const renewInMs = ({ from, until }: ValidityPeriod, now: Date, random: number): number => {
  const share = RENEW_AT.share * (1 - RENEW_AT.jitter * random);
  const at = from.getTime() + (until.getTime() - from.getTime()) * share;
  return Math.max(MIN_WAIT_MS, at - now.getTime());
};
