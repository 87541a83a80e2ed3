import type { TrendPoint } from '@fso/shared/api';

/** A curve of steps: a value holds until the next point. */

export interface TrendSummary {
  readonly first: number;
  readonly last: number;
  readonly highest: number;
  /** When it was there first. RFC 3339. */
  readonly highestAt: string;
}

/** @returns undefined where there are no points */
export const summarise = (points: readonly TrendPoint[]): TrendSummary | undefined => {
  const [first] = points;
  const last = points.at(-1);
  if (first === undefined || last === undefined) return undefined;
  const highest = points.reduce((top, point) => (point.violations > top.violations ? point : top), first);
  return { first: first.violations, last: last.violations, highest: highest.violations, highestAt: highest.time };
};

/** The curve up to now, with what is known now. */
export const upToNow = (points: readonly TrendPoint[], now: Omit<TrendPoint, 'time'>, nowMs: number): TrendPoint[] => {
  const time = new Date(Math.max(nowMs, Date.parse(points.at(-1)?.time ?? '') || 0)).toISOString();
  return [...points, { time, ...now }];
};

/** Values at evenly spaced times, the last one being the end of the curve. @param rows at least 2 */
export const sample = (points: readonly TrendPoint[], rows: number): TrendPoint[] => {
  const start = Date.parse(points[0]?.time ?? '');
  const end = Date.parse(points.at(-1)?.time ?? '');
  if (Number.isNaN(start) || points.length <= rows) return [...points];
  return Array.from({ length: rows }, (_, row) => start + ((end - start) * row) / (rows - 1)).flatMap((at) => {
    const point = points.findLast(({ time }) => Date.parse(time) <= at);
    return point === undefined ? [] : [{ ...point, time: new Date(at).toISOString() }];
  });
};

/** @returns `12 more`, `3 fewer`, `as many` */
export const changeText = ({ first, last }: Pick<TrendSummary, 'first' | 'last'>): string => {
  if (first === last) return 'as many';
  const by = Math.abs(last - first).toLocaleString('en');
  return last > first ? `${by} more` : `${by} fewer`;
};
