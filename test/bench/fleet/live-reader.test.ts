import { expect, it } from 'vitest';
import { timesOfCounts } from './live-reader.ts';

it('the time of each cluster is when the count first included it', () => {
  const counts = [
    { at: 1, proven: 0 },
    { at: 2, proven: 2 },
    { at: 3, proven: 1 },
    { at: 4, proven: 5 },
  ];
  expect(timesOfCounts(counts, 4)).toEqual([2, 2, 4, 4]);
  expect(timesOfCounts(counts, 9)).toEqual([2, 2, 4, 4, 4]);
  expect(timesOfCounts([], 3)).toEqual([]);
});
