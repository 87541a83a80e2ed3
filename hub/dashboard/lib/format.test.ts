import { describe, expect, it } from 'vitest';
import { formatChanges, formatPlace, formatProblem, truncateList, truncateText } from './format.ts';

it('names what there is', () => {
  expect(formatChanges({ added: 1200, changed: 0, removed: 1 })).toBe('1,200 added, 1 removed');
  expect(formatChanges({ added: 0, changed: 0, removed: 0 })).toBe('none changed');
});

it('is written as editors write it', () => {
  expect(formatPlace({ path: 'policies/finance.yaml', line: 12, column: 3 })).toBe('policies/finance.yaml:12:3');
  expect(formatPlace({ path: 'policies/finance.yaml' })).toBe('policies/finance.yaml');
  expect(formatPlace({})).toBe('');
});

it('leaves out two or more, or none', () => {
  expect(truncateList(['a', 'b', 'c'], 2)).toEqual({ shown: ['a', 'b', 'c'], hidden: 0 });
  expect(truncateList(['a', 'b', 'c', 'd'], 2)).toEqual({ shown: ['a', 'b'], hidden: 2 });
});

it('distinguishes groups from regions', () => {});

it('cuts long texts between words', () => {
  expect(truncateText('short', 10)).toBe('short');
  expect(truncateText('one two three', 10)).toBe('one two th…');
  expect(truncateText('one two t three', 9)).toBe('one two t…');
  expect(truncateText('nine char and more', 10)).toBe('nine char…');
});

describe('formatProblem', () => {
  it.each([
    [{ path: 'a.yaml', line: 3, reason: 'bad' }, 'a.yaml:3: bad'],
    [{ path: 'a.yaml', reason: 'bad' }, 'a.yaml: bad'],
    [{ reason: 'unsigned' }, 'unsigned'],
  ])('%o', (problem, text) => {
    expect(formatProblem(problem)).toBe(text);
  });
});
