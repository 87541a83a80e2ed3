import { describe, expect, it } from 'vitest';
import { safeReturnTo } from './login.ts';

describe('where a login goes on', () => {
  it.each([
    ['/clusters?q=eu#x', '/clusters?q=eu#x'],
    ['/a/../b', '/b'],
    ['/%2F%2Fevil.example', '/%2F%2Fevil.example'],
    ['//evil.example', '/'],
    ['/\\evil.example', '/'],
    ['/\t/evil.example', '/'],
    ['/.//evil.example', '/'],
    ['/a/..//evil.example', '/'],
    ['https://evil.example/', '/'],
    ['javascript:alert(1)', '/'],
    ['clusters', '/'],
    ['', '/'],
    [undefined, '/'],
    [['/a', '/b'], '/'],
    [`/${'x'.repeat(3000)}`, '/'],
  ])('%j is %s', (wanted, path) => {
    expect(safeReturnTo(wanted)).toBe(path);
    expect(new URL(safeReturnTo(wanted), 'https://hub.example').origin).toBe('https://hub.example');
  });
});
