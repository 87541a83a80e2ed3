import { describe, expect, it } from 'vitest';
import { isOlderVersion, newerVersion } from './resource-version.ts';

describe('resource versions', () => {
  it('are compared as numbers', () => {
    expect(isOlderVersion('99', '100')).toBe(true);
    expect(isOlderVersion('18446744073709551615', '18446744073709551614')).toBe(false);
    expect(newerVersion('99', '100')).toBe('100');
    expect(newerVersion('101', '100')).toBe('101');
  });

  it('never count as older where they are no numbers', () => {
    expect(isOlderVersion('abc', '100')).toBe(false);
    expect(isOlderVersion('1', undefined)).toBe(false);
    expect(newerVersion(undefined, '5')).toBe('5');
    expect(newerVersion('abc', '5')).toBe('abc');
  });
});
