import type { RoleGrant } from '@fso/shared/api';
import { FakeClock } from '@fso/shared/fake-clock';
import { beforeEach, describe, expect, it } from 'vitest';
import { type KeyedStore, LOGIN_LINK_KIND } from '../../ledger/index.ts';
import { createMemoryLedger } from '../../ledger/testing/memory-ledger.ts';
import { type Grant, principalOf } from '../principal.ts';
import { createLoginLinks, LINK_MS, type LoginLinks } from './login-links.ts';

let clock: FakeClock;
let records: KeyedStore;
/** Keys of credentials that would be taken. */
let held: Set<string>;
let links: LoginLinks;
/** Another hub on the same ledger, with the same credentials. */
let other: LoginLinks;

const EU: RoleGrant = { role: 'viewer', clusters: { clusterNames: ['eu'] } };
const grantOf = (more: Partial<Grant> = {}): Grant => ({
  principal: principalOf({ kind: 'token', id: 'ci', name: 'ci' }, [EU]),
  key: 'token:ci',
  byCookie: false,
  expiresAt: null,
  stillHolds: async () => true,
  ...more,
});

beforeEach(() => {
  clock = new FakeClock();
  ({ records } = createMemoryLedger({ clock }));
  held = new Set(['token:ci']);
  const holds = async (source: string): Promise<boolean> => held.has(source);
  [links, other] = [createLoginLinks(records, clock, holds), createLoginLinks(records, clock, holds)];
});

describe('a link', () => {
  it("signs in once, as its maker with the maker's scope, at any hub of the ledger", async () => {
    const { code, until } = await links.make(grantOf());
    expect(until).toBe(clock.now().getTime() + LINK_MS);
    const { principal } = grantOf();
    expect(await other.redeem(code)).toEqual({ principal, source: 'token:ci', endsAt: undefined });
    expect([await links.redeem(code), await other.redeem(code)]).toEqual([undefined, undefined]);
  });

  it('is used by one of many who try at the same time', async () => {
    const { code } = await links.make(grantOf());
    const tries = await Promise.all([links, other, links, other].map((hub) => hub.redeem(code)));
    expect(tries.filter((login) => login !== undefined)).toHaveLength(1);
  });

  it('is kept as a hash, and leaves nothing once it is used', async () => {
    const { code } = await links.make(grantOf());
    expect(code).toMatch(/^[\w-]{43}$/);
    expect(JSON.stringify(records.list(LOGIN_LINK_KIND))).not.toContain(code);
    await links.redeem(code);
    expect(records.list(LOGIN_LINK_KIND)).toEqual([]);
  });

  it('is good for ten minutes, and no longer than its credential', async () => {
    const { code } = await links.make(grantOf());
    await clock.advance(LINK_MS - 1);
    const short = await links.make(grantOf({ expiresAt: clock.now().getTime() + 1000 }));
    expect(await links.redeem(code)).toBeDefined();
    const late = await links.make(grantOf());
    await clock.advance(1000);
    expect(await links.redeem(short.code)).toBeUndefined();
    await clock.advance(LINK_MS - 1000);
    expect(await links.redeem(late.code)).toBeUndefined();
  });

  it('is worth nothing once its credential is revoked, and is used up then', async () => {
    const { code } = await links.make(grantOf());
    held.clear();
    expect(await links.redeem(code)).toBeUndefined();
    held.add('token:ci');
    expect(await links.redeem(code)).toBeUndefined();
  });

  it('gives way to the tenth after it of the same credential', async () => {
    const made: string[] = [];
    for (let n = 0; n <= 10; n += 1) made.push((await links.make(grantOf())).code);
    expect(await links.redeem(made[0] ?? '')).toBeUndefined();
    expect(await links.redeem(made[1] ?? '')).toBeDefined();
  });

  it('is not pushed out by credentials that have more of them', async () => {
    const { code } = await links.make(grantOf());
    const keys = Array.from({ length: 11 }, (_, index) => `token:busy-${index}`);
    let newest = '';
    for (let n = 0; n < 10; n += 1) for (const key of keys) newest = (await links.make(grantOf({ key }))).code;
    for (const key of keys) held.add(key);
    expect(records.list(LOGIN_LINK_KIND)).toEqual([expect.objectContaining({ length: 100 })]);
    expect(await links.redeem(code)).toBeDefined();
    expect(await links.redeem(newest)).toBeDefined();
  });

  it('is refused for a code that was never made', async () => {
    await links.make(grantOf());
    expect([await links.redeem(''), await links.redeem('a'.repeat(43))]).toEqual([undefined, undefined]);
  });
});
