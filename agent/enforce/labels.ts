import { byText, sha256 } from '@fso/shared/encoding';

/**
 * Longest label value, see
 * https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set
 */
const MAX_LABEL_VALUE = 63;
const HASH_LENGTH = 8;

/** The first hexadecimal digits of the SHA-256 of a text. */
export const shortHash = (text: string, length: number): string => sha256(text).slice(0, length);

/** Formats a text as a label value. One that is too long is cut and ends in a hash of the whole. */
export const labelSafe = (text: string): string => {
  if (text.length <= MAX_LABEL_VALUE) return text;
  const head = text.slice(0, MAX_LABEL_VALUE - HASH_LENGTH - 1).replace(/[^A-Za-z0-9]+$/, '');
  return `${head}-${shortHash(text, HASH_LENGTH)}`;
};

/**
 * Formats regions for a label: `eu-central-1,eu-west-1` becomes `eu-central-1_eu-west-1`.
 */
export const regionsLabel = (exact: string): string => labelSafe(exact.replaceAll(',', '_'));

/** Formats a time for an annotation: RFC 3339 in UTC, whole seconds: `2026-01-03T10:30:00Z`. */
export const timeText = (time: Date): string => `${time.toISOString().slice(0, 19)}Z`;

/** Formats a time for a label: `2026-01-03T10:30:00Z` becomes `2026-01-03T10-30-00Z`. */
export const timeLabel = (exact: string): string => labelSafe(exact.replaceAll(':', '-'));

/**
 * Maximum characters of a list that is only displayed: all annotations of a namespace share 256
 * KiB, and tenants may add policies.
 */
const MAX_SHOWN = 4096;

/** Joins as many of the first items as fit. */
export const firstThatFit = (values: readonly string[]): string => {
  const whole = values.join(',');
  return whole.length <= MAX_SHOWN ? whole : whole.slice(0, whole.lastIndexOf(',', MAX_SHOWN));
};

/** Formats a list as the value of an annotation: sorted, separated by commas. */
export const annotationList = (values: readonly string[]): string => [...values].sort(byText).join(',');
