/** Certificates of agents live for a day and are renewed when two thirds of that are over. */

const HOUR_MS = 3_600_000;
/** A day's third is eight hours: where less than this is left, renewing was due for long and has not worked. */
const LATE_MS: number = 6 * HOUR_MS;

export type CertificateState = 'good' | 'late' | 'expired' | 'none';

/** @param expires RFC 3339; null: there is none */
export const certificateState = (expires: string | null, nowMs: number): CertificateState => {
  if (expires === null) return 'none';
  const leftMs = Date.parse(expires) - nowMs;
  if (leftMs <= 0) return 'expired';
  return leftMs < LATE_MS ? 'late' : 'good';
};
