import { expect, it } from 'vitest';
import { isLater } from './policy-entry.ts';

it.each([
  ['2026-01-02T00:00:00Z', '2026-01-01T00:00:00Z', true],
  ['2026-01-01T00:00:00Z', '2026-01-01T00:00:00Z', false],
  ['2026-01-01T00:00:00.500Z', '2026-01-01T00:00:00Z', true],
  ['2026-01-01T01:00:00+02:00', '2026-01-01T00:00:00+00:00', false],
  ['2026-01-01T00:00:00Z', '2026-01-01T01:00:00+02:00', true],
])('compares %s after %s: %s', (a, b, expected) => {
  expect(isLater(a, b)).toBe(expected);
});
