import { digestOfToken } from '@fso/shared/protocol';
import { messageOf } from '@fso/shared/runtime';
import { checkIdentity, type ValidityPeriod } from './certificate.ts';
import type { StoredIdentity } from './identity-secret.ts';

/** Way in which the agent obtains its identity. */
export type IdentityPlan =
  /** Use of the stored identity, which is valid. */
  | { readonly kind: 'use'; readonly validity: ValidityPeriod }
  /**
   * Renewal of the stored identity, which has expired, or is not valid yet, as after a clock that
   * ran ahead was corrected. The hub may still renew it.
   */
  | { readonly kind: 'renew' }
  /**
   * Enrol with the token. `otherwise`: the plan if the hub refuses it, or is another than the
   * token's.
   */
  | { readonly kind: 'enrol'; readonly otherwise: Exclude<IdentityPlan, { readonly kind: 'enrol' }> }
  | { readonly kind: 'nothing'; readonly reason: string };

/** The stored identity, and a token that may replace it. */
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
 * A token that the present identity does not come from is new, and asks the agent to enrol again;
 * the one that it comes from is spent, and stays in the settings as settings do. Pure.
 */
export const planIdentity = (input: IdentityInput): IdentityPlan => {
  const { stored, token } = input;
  const otherwise = withoutToken(input);
  if (token === undefined) return otherwise;
  const isSpent = stored.identity !== undefined && stored.enrolledWith === digestOfToken(token);
  return isSpent && otherwise.kind !== 'nothing' ? otherwise : { kind: 'enrol', otherwise };
};

/**
 * The share of the validity after which a renewal is due: two thirds, and a little less, so that a
 * fleet does not renew at once.
 */
const RENEW_AT = { share: 2 / 3, jitter: 0.1 } as const;
const MIN_WAIT_MS = 10_000;

/**
 * Returns the time to wait before a renewal, in ms.
 *
 * @param random 0 ≤ x < 1
 */
export const renewInMs = ({ from, until }: ValidityPeriod, now: Date, random: number): number => {
  const share = RENEW_AT.share * (1 - RENEW_AT.jitter * random);
  const at = from.getTime() + (until.getTime() - from.getTime()) * share;
  return Math.max(MIN_WAIT_MS, at - now.getTime());
};
