import { expect, it } from 'vitest';
import { parseRetryAfter } from './retry-after.ts';

const now = new Date('2026-01-01T00:00:00Z');

it.each([
  ['2', 2_000],
  ['0', 0],
  ['Thu, 01 Jan 2026 00:00:03 GMT', 3_000],
  ['Thu, 01 Jan 2026 00:01:00 GMT', 10_000],
  ['Wed, 31 Dec 2025 23:59:00 GMT', 0],
  ['9'.repeat(400), 10_000],
  ['soon', undefined],
  ['', undefined],
  ['-1 s', undefined],
  [null, undefined],
  [undefined, undefined],
])('Retry-After: %s is %s ms', (header, ms) => {
  expect(parseRetryAfter(header, { now, maxMs: 10_000 })).toBe(ms);
});
