/** As the hub and the agents have it: a policy is announced to expire this long before. */
const NOTICE_MS = 14 * 86_400_000;

export type Expiry = 'never' | 'later' | 'soon' | 'past';

export const expiryOf = (expiryDate: string | undefined, nowMs: number): Expiry => {
  if (expiryDate === undefined) return 'never';
  const left = Date.parse(expiryDate) - nowMs;
  if (left <= 0) return 'past';
  return left <= NOTICE_MS ? 'soon' : 'later';
};
