import { expect, it } from 'vitest';
import { fairShare } from './fair-share.ts';

it.each([
  [[], 10, Number.POSITIVE_INFINITY],
  [[3, 7], 10, Number.POSITIVE_INFINITY],
  [[1_000_000, 2, 3], 15, 10],
  [[50, 60, 1], 21, 10],
  [[1, 1, 1], 2, 0],
])('divides %j with %i places into at most %d each', (wanted, places, share) => {
  expect(fairShare(wanted, places)).toBe(share);
  const total = wanted.reduce((sum, count) => sum + Math.min(count, share), 0);
  expect(total).toBeLessThanOrEqual(places);
});
