import type { TrendPoint } from '@fso/shared/api';
import { describe, expect, it } from 'vitest';
import { changeText, sample, summarise, upToNow } from './trend.ts';

const at = (minute: number): string => new Date(Date.UTC(2026, 0, 1, 12, minute)).toISOString();
const point = (minute: number, violations: number | null): TrendPoint => ({ time: at(minute), violations, failed: 0, connected: 3 });

describe('summarise', () => {
  it('has both ends and the first highest value', () => {
    expect(summarise([point(0, 3), point(5, 9), point(7, 9), point(9, 1)])).toEqual({ first: 3, last: 1, highest: 9, highestAt: at(5) });
  });

  it('leaves the start unknown where no value was recorded', () => {
    expect(summarise([point(0, null), point(5, 9), point(6, null), point(9, 1)])).toEqual({
      first: null,
      last: 1,
      highest: 9,
      highestAt: at(5),
    });
  });

  it('is empty for an empty trend', () => {
    expect(summarise([])).toBeUndefined();
  });
});

describe('upToNow', () => {
  const now = { violations: 5, failed: 1, connected: 2 };

  it('extends the trend to now', () => {
    expect(upToNow([point(0, 3)], now, Date.parse(at(4)))).toEqual([point(0, 3), { time: at(4), ...now }]);
  });

  it('never goes back where the clock of the browser is behind', () => {
    expect(upToNow([point(8, 3)], now, Date.parse(at(4))).at(-1)?.time).toBe(at(8));
  });
});

describe('sample', () => {
  it('returns the value at each time', () => {
    const points = [point(0, 0), point(1, 1), point(2, 2), point(9, 9), point(20, 20)];
    expect(sample(points, 3)).toEqual([point(0, 0), { ...point(9, 9), time: at(10) }, point(20, 20)]);
  });

  it('keeps a few points unchanged', () => {
    expect(sample([point(0, 0), point(1, 1)], 3)).toEqual([point(0, 0), point(1, 1)]);
    expect(sample([], 3)).toEqual([]);
  });
});

describe('changeText', () => {
  it.each([
    [3, 3, 'as many as 7 d ago'],
    [3, 1203, '1,200 more than 7 d ago'],
    [3, 1, '2 fewer than 7 d ago'],
    [null, 1, 'no data for 7 d ago'],
  ])('describes a change from %s to %s: %s', (first, last, text) => {
    expect(changeText({ first, last }, '7 d ago')).toBe(text);
  });
});
