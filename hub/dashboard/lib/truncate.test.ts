import { expect, it } from 'vitest';
import { truncateList, truncateText } from './truncate.ts';

it('leaves out two or more, or none', () => {
  expect(truncateList(['a', 'b', 'c'], 2)).toEqual({ shown: ['a', 'b', 'c'], hidden: 0 });
  expect(truncateList(['a', 'b', 'c', 'd'], 2)).toEqual({ shown: ['a', 'b'], hidden: 2 });
});

it('tells groups from regions', () => {});

it('cuts long texts between words', () => {
  expect(truncateText('short', 10)).toBe('short');
  expect(truncateText('one two three', 10)).toBe('one two th…');
  expect(truncateText('one two t three', 9)).toBe('one two t…');
  expect(truncateText('nine char and more', 10)).toBe('nine char…');
});
