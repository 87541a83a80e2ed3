import { describe, expect, it } from 'vitest';
import { claimValues, covers, parseRoleMap, roleOf } from './roles.ts';

describe('roles', () => {
  it('cover those below them', () => {
    expect([covers('viewer', 'viewer'), covers('admin', 'operator'), covers('operator', 'operator')]).toEqual([true, true, true]);
    expect([covers('viewer', 'operator'), covers('operator', 'admin'), covers(null, 'viewer')]).toEqual([false, false, false]);
  });
});

describe('role map', () => {
  const map = parseRoleMap('admin=governance-admins, operator=sre,operator=cn=platform,viewer=*');

  it.each([
    [['governance-admins', 'sre'], 'admin'],
    [['sre'], 'operator'],
    [['cn=platform'], 'operator'],
    [[], 'viewer'],
    [['governance-admins-eu'], 'viewer'],
    [['Governance-Admins'], 'viewer'],
    [['*'], 'viewer'],
  ] as const)('%j is %s', (values, role) => {
    expect(roleOf(values, map)).toBe(role);
  });

  it('gives nothing where nothing fits', () => {
    expect(roleOf(['guests'], parseRoleMap('admin=a'))).toBeNull();
  });

  it.each(['', 'admin', 'admin=', 'root=x', 'admin=a,,viewer=*', '=a'])('refuses %j', (text) => {
    expect(() => parseRoleMap(text)).toThrow('must be <role>=<value>');
  });
});

describe('claim', () => {
  it.each([
    [{ groups: ['a', 'b'] }, 'groups', ['a', 'b']],
    [{ groups: 'a b' }, 'groups', ['a b']],
    [{ realm_access: { roles: ['a'] } }, 'realm_access.roles', ['a']],
    [{ 'https://x/groups.all': ['a'] }, 'https://x/groups.all', ['a']],
    [{ groups: [1, null, { a: 'b' }, 'c'] }, 'groups', ['c']],
    [{ groups: { admin: true } }, 'groups', []],
    [{}, 'groups', []],
    [{}, 'constructor.name', []],
    [{}, '__proto__', []],
  ])('%j by %s', (claims, name, values) => {
    expect(claimValues(claims, name)).toEqual(values);
  });
});
