import { describe, expect, it } from 'vitest';
import { claimValues, covers, grantsCovering, grantsOf, parseRoleMap, roleEverywhere, roleOf } from './roles.ts';

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

  it('gives no role without a matching group', () => {
    expect(roleOf(['guests'], parseRoleMap('admin=a'))).toBeNull();
  });

  it.each(['', 'admin', 'admin=', 'root=x', 'admin=a,,viewer=*', '=a'])('refuses %j', (text) => {
    expect(() => parseRoleMap(text)).toThrow('must be <role>=<value>');
  });
});

describe('grants', () => {
  const eu = { clusters: { clusterRegions: ['group:eu'] } };
  const finance = { policies: { targetNamespaces: ['finance'] } };
  const settings = {
    roleMap: parseRoleMap('viewer=auditors'),
    grants: [
      { groups: ['eu-team'], role: 'operator', ...eu },
      { groups: ['eu-team', 'eu-readers'], role: 'viewer', ...eu },
      { groups: ['*'], role: 'viewer', ...finance },
      { groups: ['root'], role: 'admin' },
    ],
  } as const;

  it('are all that the groups give, without redundant ones', () => {
    expect(grantsOf(['guests'], settings)).toEqual([{ role: 'viewer', ...finance }]);
    expect(grantsOf(['eu-readers', 'eu-readers'], settings)).toEqual([
      { role: 'viewer', ...eu },
      { role: 'viewer', ...finance },
    ]);
    expect(grantsOf(['eu-team', 'auditors'], settings)).toEqual([{ role: 'viewer' }, { role: 'operator', ...eu }]);
    expect(grantsOf(['root', 'eu-team'], settings)).toEqual([{ role: 'admin' }]);
    expect(grantsOf([], { ...settings, grants: [] })).toEqual([]);
  });

  it('give no role for the whole where they are for a part', () => {
    const grants = grantsOf(['eu-team', 'auditors'], settings);
    expect([roleEverywhere(grants), roleEverywhere([{ role: 'admin', ...eu }])]).toEqual(['viewer', null]);
    expect([grantsCovering(grants, 'operator'), grantsCovering(grants, 'admin')]).toEqual([[{ role: 'operator', ...eu }], []]);
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
