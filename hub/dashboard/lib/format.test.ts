import { expect, it } from 'vitest';
import { formatChanges, formatPlace } from './format.ts';

it('names what there is', () => {
  expect(formatChanges({ added: 1200, changed: 0, removed: 1 })).toBe('1,200 added, 1 removed');
  expect(formatChanges({ added: 0, changed: 0, removed: 0 })).toBe('none changed');
});

it('is written as editors write it', () => {
  expect(formatPlace({ path: 'policies/finance.yaml', line: 12, column: 3 })).toBe('policies/finance.yaml:12:3');
  expect(formatPlace({ path: 'policies/finance.yaml' })).toBe('policies/finance.yaml');
  expect(formatPlace({})).toBe('');
});
