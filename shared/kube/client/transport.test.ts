import { describe, expect, it } from 'vitest';
import { parseRetryAfter, parseWarnings } from './transport.ts';

describe('parseWarnings', () => {
  it('reads every warning, with escapes', () => {
    expect(parseWarnings('299 - "first, with a comma", 299 - "say \\"no\\""')).toEqual(['first, with a comma', 'say "no"']);
    expect(parseWarnings(['299 - "a"', '299 - "b"'])).toEqual(['a', 'b']);
    expect(parseWarnings(undefined)).toEqual([]);
    expect(parseWarnings('199 - "other"')).toEqual([]);
  });
});

describe('parseRetryAfter', () => {
  it('reads seconds and dates', () => {
    const now = new Date('2026-01-01T00:00:00Z');
    expect(parseRetryAfter({ 'retry-after': '2' }, now)).toBe(2_000);
    expect(parseRetryAfter({ 'retry-after': 'Thu, 01 Jan 2026 00:00:03 GMT' }, now)).toBe(3_000);
    expect(parseRetryAfter({ 'retry-after': 'soon' }, now)).toBeUndefined();
    expect(parseRetryAfter({}, now)).toBeUndefined();
  });
});
