import { CONDITIONS, type Condition, type RegionConflict } from '@fso/shared/api';
import { DAY_MS, EXPIRY_WARNING_DAYS } from '@fso/shared/residency';
import { listText } from '@fso/shared/runtime';

type NewCondition = Omit<Condition, 'lastTransitionTime'>;

/**
 * Condition of a policy whose regions are left out because of the providers of the nodes; undefined
 * if none are.
 */
export const ambiguousCondition = (leftOut: readonly RegionConflict[] = []): NewCondition | undefined => {
  if (leftOut.length === 0) return undefined;
  const regions = [...new Set(leftOut.flatMap((conflict) => conflict.regions))];
  const readers = [...new Set(leftOut.flatMap(({ providers }) => providers))].join(', ');
  const message = `outside in this cluster: ${listText(regions)}, as its nodes are, or may be, of providers (${readers}) that mean other places by it`;
  return { type: CONDITIONS.regionAmbiguous, status: 'True', reason: 'ProvidersDiffer', message };
};

const LONGEST_MS = Math.max(...EXPIRY_WARNING_DAYS) * DAY_MS;

/**
 * Condition of a policy whose regions end soon, or ended recently; undefined if none do.
 *
 * @param conflicts conflicts of the providers of this cluster
 */
export const endingCondition = (conflicts: readonly RegionConflict[] = [], now: Date): NewCondition | undefined => {
  const ends = conflicts.flatMap(({ regions, from }) => {
    const leftMs = from === undefined ? Number.NaN : Date.parse(from) - now.getTime();
    return Math.abs(leftMs) <= LONGEST_MS ? [{ regions, from, leftMs }] : [];
  });
  if (ends.length === 0) return undefined;
  const nextMs = ends.reduce((least, { leftMs }) => (leftMs > 0 && leftMs < least ? leftMs : least), Number.POSITIVE_INFINITY);
  const days = [...EXPIRY_WARNING_DAYS].sort((a, b) => a - b).find((candidate) => nextMs <= candidate * DAY_MS);
  return {
    type: CONDITIONS.regionsEnding,
    status: 'True',
    reason: days === undefined ? 'Ended' : `Within${days}Days`,
    message: ends.map(({ regions, from }) => `outside from ${from} on: ${listText(regions)}`).join('; '),
  };
};
