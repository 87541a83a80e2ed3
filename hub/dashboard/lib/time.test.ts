import { describe, expect, it } from 'vitest';
import { formatDuration, relativeTime, resolutionOf } from './time.ts';

const NOW = Date.parse('2026-01-03T10:30:00Z');
const [SECOND, MINUTE, HOUR, DAY] = [1000, 60_000, 3_600_000, 86_400_000];

describe('a relative time', () => {
  it.each([
    [0, 'now'],
    [-1999, 'now'],
    [1500, 'now'],
    [-2 * SECOND, '2 seconds ago'],
    [-59 * SECOND, '59 seconds ago'],
    [-90 * SECOND, '1 minute ago'],
    [-59 * MINUTE, '59 minutes ago'],
    [-47 * HOUR, 'yesterday'],
    [3 * DAY, 'in 3 days'],
    [-40 * DAY, 'last month'],
    [800 * DAY, 'in 2 years'],
  ])('%i ms from now reads %s', (distance, text) => {
    expect(relativeTime(NOW + distance, NOW)).toBe(text);
  });

  it('is drawn again at the rate of its unit', () => {
    expect([-5 * SECOND, -5 * MINUTE, 5 * HOUR].map((distance) => resolutionOf(NOW + distance, NOW))).toEqual([1000, 10_000, 60_000]);
  });
});

describe('a duration', () => {
  it.each([
    [0, '0 ms'],
    [830.4, '830 ms'],
    [1449, '1.4 s'],
    [200_000, '3 min 20 s'],
    [125 * MINUTE, '2 h 5 min'],
  ])('shows %d ms as %s', (ms, text) => {
    expect(formatDuration(ms)).toBe(text);
  });
});
