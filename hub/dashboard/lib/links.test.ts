import { describe, expect, it } from 'vitest';
import { sortOf } from './filters.ts';
import { commitUrl } from './links.ts';

describe('the page of a commit', () => {
  it.each([
    ['https://git.example/acme/policies/commit/{revision}', 'https://git.example/acme/policies/commit/a1b2'],
    ['http://127.0.0.1:3000/{revision}', 'http://127.0.0.1:3000/a1b2'],
    [undefined, undefined],
    ['javascript:alert("{revision}")', undefined],
    ['/commit/{revision}', undefined],
  ])('has for %s the URL %s', (template, page) => {
    expect(commitUrl(template, 'a1b2')).toBe(page);
  });

  it('never lets an id change the path', () => {
    expect(commitUrl('https://git.example/{revision}', '../x?y')).toBe('https://git.example/..%2Fx%3Fy');
  });
});

describe('the sort of a column', () => {
  const columns = [{ sort: 'name' }, {}, { sort: 'violations' }];

  it('follows the URL', () => {
    expect(sortOf(columns, 0, '-violations', () => undefined).sort?.sortBy).toEqual({ index: 2, direction: 'desc' });
    expect(sortOf(columns, 2, 'name', () => undefined).sort?.sortBy).toEqual({ index: 0, direction: 'asc' });
    expect(sortOf(columns, 0, 'unknown', () => undefined).sort?.sortBy).toEqual({});
  });

  it('is sent in the form of the API', () => {
    const asked: string[] = [];
    const { sort } = sortOf(columns, 2, 'name', (wanted) => asked.push(wanted));
    const onSort = sort?.onSort as ((...given: unknown[]) => void) | undefined;
    onSort?.(undefined, 2, 'desc');
    onSort?.(undefined, 2, 'asc');
    expect(asked).toEqual(['-violations', 'violations']);
  });

  it('is absent where the hub does not sort', () => {
    expect([sortOf(columns, 1, 'name', () => undefined), sortOf(columns, 0, 'name', undefined)]).toEqual([{}, {}]);
  });
});
