import { describe, expect, it } from 'vitest';
import type { Action } from '../enforce/index.ts';
import { REPORT_KIND } from './report.ts';
import { COUNT_MS, REPORT_MS, ReportThrottle } from './report-throttle.ts';

const action = (key: string, reason = 'Report'): Action => ({
  type: 'patch',
  key,
  kind: REPORT_KIND,
  ref: { namespace: key, name: 'x' },
  patch: {},
  reason,
  policies: [],
});
const keysOf = (throttle: ReportThrottle, actions: readonly Action[], now: number): [string[], number | undefined] => {
  const { actions: due, waitMs } = throttle.due(actions, now);
  return [due.map(({ key }) => key), waitMs];
};

describe('ReportThrottle', () => {
  it('lets a report be written at once, and again only after a while', () => {
    const throttle = new ReportThrottle();
    expect(keysOf(throttle, [action('a')], 10_000)).toEqual([['a'], undefined]);
    throttle.noteWrite('a', 10_000);
    expect(keysOf(throttle, [action('a')], 11_000)).toEqual([[], REPORT_MS - 1_000]);
    expect(keysOf(throttle, [action('a')], 10_000 + REPORT_MS)).toEqual([['a'], undefined]);
  });

  it('lets the number of pods that conform wait longer', () => {
    const throttle = new ReportThrottle();
    throttle.noteWrite('a', 10_000);
    expect(keysOf(throttle, [action('a', 'Count')], 10_000 + REPORT_MS)).toEqual([[], COUNT_MS - REPORT_MS]);
    expect(keysOf(throttle, [action('a', 'Count')], 10_000 + COUNT_MS)).toEqual([['a'], undefined]);
  });

  it('begins with what was written longest ago', () => {
    const throttle = new ReportThrottle();
    throttle.noteWrite('a', 2_000);
    throttle.noteWrite('b', 1_000);
    expect(keysOf(throttle, [action('a'), action('b'), action('d'), action('c')], 60_000)[0]).toEqual(['c', 'd', 'b', 'a']);
  });
});
