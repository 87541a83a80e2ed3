/** Length of a day in milliseconds. */
export const DAY_MS = 86_400_000;

/** Days before its expiry on which a policy is announced to expire. */
export const EXPIRY_WARNING_DAYS: readonly number[] = [14, 7, 1];

/** Time before its expiry from which a policy counts as expiring, in milliseconds. */
export const EXPIRY_NOTICE_MS: number = Math.max(...EXPIRY_WARNING_DAYS) * DAY_MS;

/**
 * Whether a policy has expired, and so governs nothing.
 *
 * @param expiryDate RFC 3339; with a text that is no such time, a policy never expires
 * @param nowMs milliseconds since the epoch
 */
export const isExpired = (expiryDate: string | undefined, nowMs: number): boolean =>
  expiryDate !== undefined && Date.parse(expiryDate) <= nowMs;

/**
 * Whether a policy expires within {@link EXPIRY_NOTICE_MS}; one that has expired does not.
 * Parameters as of {@link isExpired}.
 */
export const isExpiring = (expiryDate: string | undefined, nowMs: number): boolean =>
  expiryDate !== undefined && !isExpired(expiryDate, nowMs) && Date.parse(expiryDate) - nowMs <= EXPIRY_NOTICE_MS;
