/**
 * Parses a `Retry-After` header, in seconds or as a date (RFC 9110 §10.2.3).
 *
 * @param maxMs longest wait that is returned
 * @returns milliseconds, at least 0; undefined without a valid header
 */
export const parseRetryAfter = (
  header: string | null | undefined,
  { now, maxMs = Number.POSITIVE_INFINITY }: { readonly now: Date; readonly maxMs?: number },
): number | undefined => {
  if (header === undefined || header === null) return undefined;
  const ms = /^\d+$/.test(header) ? Number(header) * 1000 : Date.parse(header) - now.getTime();
  return Number.isNaN(ms) ? undefined : Math.min(Math.max(0, ms), maxMs);
};
