import { expect, it } from 'vitest';
import { cutText, isGroup, shorten } from './shortened.ts';

it('leaves out two or more, or none', () => {
  expect(shorten(['a', 'b', 'c'], 2)).toEqual({ shown: ['a', 'b', 'c'], hidden: 0 });
  expect(shorten(['a', 'b', 'c', 'd'], 2)).toEqual({ shown: ['a', 'b'], hidden: 2 });
});

it('tells groups from regions', () => {
  expect(['group:eu', 'eu-west-1'].map(isGroup)).toEqual([true, false]);
});

it('cuts long texts between words', () => {
  expect(cutText('short', 10)).toBe('short');
  expect(cutText('one two three', 10)).toBe('one two th…');
  expect(cutText('one two t three', 9)).toBe('one two t…');
  expect(cutText('nine char and more', 10)).toBe('nine char…');
});
