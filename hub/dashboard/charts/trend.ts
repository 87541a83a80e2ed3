import type { TrendPoint } from '@fso/shared/api';
import { formatNumber } from '../lib/format.ts';

/** Step curves: a value holds until the next point. */

interface TrendSummary {
  /** Null if unknown. */
  readonly first: number | null;
  readonly last: number;
  readonly highest: number;
  /** Time of the first point with the highest value, RFC 3339. */
  readonly highestAt: string;
}

/** Summarises a curve that ends now. @returns undefined if its last value is unknown */
export const summarise = (points: readonly TrendPoint[]): TrendSummary | undefined => {
  const [first] = points;
  const known = points.flatMap(({ time, violations }) => (violations === null ? [] : [{ time, violations }]));
  const [earliest] = known;
  const last = points.at(-1)?.violations ?? null;
  if (first === undefined || earliest === undefined || last === null) return undefined;
  const highest = known.reduce((top, point) => (point.violations > top.violations ? point : top), earliest);
  return { first: first.violations, last, highest: highest.violations, highestAt: highest.time };
};

/** Extends a curve to now with the current value. */
export const upToNow = (points: readonly TrendPoint[], now: Omit<TrendPoint, 'time'>, nowMs: number): TrendPoint[] => {
  const time = new Date(Math.max(nowMs, Date.parse(points.at(-1)?.time ?? '') || 0)).toISOString();
  return [...points, { time, ...now }];
};

/** Samples a curve at evenly spaced times, its end included. @param rows at least 2 */
export const sample = (points: readonly TrendPoint[], rows: number): TrendPoint[] => {
  const start = Date.parse(points[0]?.time ?? '');
  const end = Date.parse(points.at(-1)?.time ?? '');
  if (Number.isNaN(start) || points.length <= rows) return [...points];
  return Array.from({ length: rows }, (_, row) => start + ((end - start) * row) / (rows - 1)).flatMap((at) => {
    const point = points.findLast(({ time }) => Date.parse(time) <= at);
    return point === undefined ? [] : [{ ...point, time: new Date(at).toISOString() }];
  });
};

/**
 * Compares the ends of a curve: `12 more than 24 h ago`, `as many as 24 h ago`, `no data for 24 h
 * ago`.
 *
 * @param ago e.g. `24 h ago`
 */
export const changeText = ({ first, last }: Pick<TrendSummary, 'first' | 'last'>, ago: string): string => {
  if (first === null) return `no data for ${ago}`;
  if (first === last) return `as many as ${ago}`;
  const by = formatNumber(Math.abs(last - first));
  return last > first ? `${by} more than ${ago}` : `${by} fewer than ${ago}`;
};
