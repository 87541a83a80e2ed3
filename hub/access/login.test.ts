import { FakeClock } from '@fso/shared/fake-clock';
import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { createLogin, safeReturnTo } from './login.ts';
import { createProvider, type OidcSettings } from './provider.ts';
import { parseRoleMap } from './roles.ts';

describe('the page after a login', () => {
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
  ])('is for %j the path %s', (wanted, path) => {
    expect(safeReturnTo(wanted)).toBe(path);
    expect(new URL(safeReturnTo(wanted), 'https://hub.example').origin).toBe('https://hub.example');
  });
});

it('sessions depend on all settings that decide over access and roles', () => {
  const settings: OidcSettings = {
    issuer: 'https://login.example.com',
    clientId: 'fso',
    clientSecret: undefined,
    scopes: 'openid',
    rolesClaim: 'groups',
    roleMap: parseRoleMap('viewer=*'),
    grants: [{ groups: ['eu'], role: 'operator', clusters: { clusterNames: ['eu'] } }],
    audience: undefined,
  };
  const deps = { clock: new FakeClock(), logger: pino({ level: 'silent' }) };
  const keyOf = (change: Partial<OidcSettings>): string => {
    const changed = { ...settings, ...change };
    return createLogin(changed, createProvider(changed, deps), { ...deps, publicUrl: 'https://fso.example.com' }).key;
  };
  const others: Partial<OidcSettings>[] = [
    { rolesClaim: 'roles' },
    { roleMap: parseRoleMap('admin=*') },
    { grants: [] },
    { grants: [{ groups: ['eu'], role: 'operator', clusters: { clusterNames: ['us'] } }] },
  ];
  expect(new Set([settings, ...others].map(keyOf)).size).toBe(5);
  expect(keyOf({ scopes: 'openid groups' })).toBe(keyOf({}));
});
