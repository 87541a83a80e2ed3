import { isExpired, isExpiring } from '@fso/shared/residency';

type Expiry = 'never' | 'later' | 'soon' | 'past';

export const expiryOf = (expiryDate: string | undefined, nowMs: number): Expiry => {
  if (expiryDate === undefined) return 'never';
  if (isExpired(expiryDate, nowMs)) return 'past';
  return isExpiring(expiryDate, nowMs) ? 'soon' : 'later';
};
