import { expect, it } from 'vitest';
import { placeOf } from './problem-place.ts';

it('is written as editors write it', () => {
  expect(placeOf({ path: 'policies/finance.yaml', line: 12, column: 3 })).toBe('policies/finance.yaml:12:3');
  expect(placeOf({ path: 'policies/finance.yaml' })).toBe('policies/finance.yaml');
  expect(placeOf({})).toBe('');
});
