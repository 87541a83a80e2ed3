import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { choiceParam, parseSearch, sortParam, stringifySearch, textParam } from './search-params.ts';
import { safeReturnTo, takeLinkToken } from './session/login-urls.ts';

describe('search parameters', () => {
  const schema = z.object({ q: textParam, phase: choiceParam(['Active', 'Failed']), sort: sortParam(['name', 'violations']) });

  it('survive encoding', () => {
    const search = parseSearch('?q=a%20b&page=2&flag=true');
    expect(search).toEqual({ q: 'a b', page: '2', flag: 'true' });
    expect(stringifySearch({ ...search, phase: undefined, sort: '' })).toBe('?q=a+b&page=2&flag=true');
    expect(stringifySearch({})).toBe('');
  });

  it('are dropped where they are invalid', () => {
    expect(schema.parse({ q: 'x', phase: 'Failed', sort: '-violations' })).toEqual({ q: 'x', phase: 'Failed', sort: '-violations' });
    expect(schema.parse({ q: '', phase: 'Done', sort: '--name' })).toEqual({});
  });
});

describe('a login', () => {
  it.each([
    ['/policies?phase=Failed#x', '/policies?phase=Failed#x'],
    [undefined, '/'],
    ['https://evil.example/', '/'],
    ['//evil.example/', '/'],
    ['/\\evil.example', '/'],
    ['/\t/evil.example', '/'],
    ['/.//evil.example', '/'],
    ['javascript:alert(1)', '/'],
    ['/login?returnTo=/', '/'],
  ])('continues for %s at %s', (wanted, path) => {
    expect(safeReturnTo(wanted, 'https://fso.example.com')).toBe(path);
  });
});

describe('the token of a link', () => {
  const open = (pathname: string, hash: string) => {
    const replaced: unknown[] = [];
    const token = takeLinkToken(
      { pathname, search: '?returnTo=%2F', hash },
      { replaceState: (...all: unknown[]) => void replaced.push(all[2]) },
    );
    return { token, replaced };
  };

  it('is removed from the address', () => {
    expect(open('/login', '#token=fso_a_b-c')).toEqual({ token: 'fso_a_b-c', replaced: ['/login?returnTo=%2F'] });
    expect(open('/login', '#token=a%2Fb').token).toBe('a/b');
  });

  it.each([
    ['/login', ''],
    ['/login', '#main'],
    ['/login', '#token='],
    ['/policies', '#token=x'],
  ])('is absent at %s%s', (pathname, hash) => {
    expect(open(pathname, hash)).toEqual({ token: undefined, replaced: [] });
  });
});
