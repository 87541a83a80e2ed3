import { expect, it } from 'vitest';
import { expiryOf } from './expiry.ts';

const NOW = Date.parse('2026-01-01T00:00:00Z');

it('tells how near the end of a policy is', () => {
  expect(expiryOf(undefined, NOW)).toBe('never');
  expect(expiryOf('2026-01-01T00:00:00Z', NOW)).toBe('past');
  expect(expiryOf('2026-01-15T00:00:00Z', NOW)).toBe('soon');
  expect(expiryOf('2026-01-15T00:00:01Z', NOW)).toBe('later');
});
