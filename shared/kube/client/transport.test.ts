import { describe, expect, it } from 'vitest';
import { parseWarnings } from './transport.ts';

describe('parseWarnings', () => {
  it('reads every warning, with escapes', () => {
    expect(parseWarnings('299 - "first, with a comma", 299 - "say \\"no\\""')).toEqual(['first, with a comma', 'say "no"']);
    expect(parseWarnings(['299 - "a"', '299 - "b"'])).toEqual(['a', 'b']);
    expect(parseWarnings(undefined)).toEqual([]);
    expect(parseWarnings('199 - "other"')).toEqual([]);
  });
});
