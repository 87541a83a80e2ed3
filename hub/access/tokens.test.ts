import { FakeClock } from '@fso/shared/fake-clock';
import { pino } from 'pino';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import type { Ledger } from '../ledger/index.ts';
import { fixedClock, TIME } from '../ledger/testing/ledger.ts';
import { createMemoryLedger } from '../ledger/testing/memory-ledger.ts';
import { principalOf, Revocations } from './principal.ts';
import { createTokenStore, createTokens, type TokenRecord } from './tokens.ts';

const DAY = 86_400_000;
const ada = { kind: 'user', id: 'ada', name: 'ada@example.com' } as const;
const admin = principalOf(ada, [{ role: 'admin' }]);
const wanted = { name: 'ci', role: 'operator', expiresInDays: 90 } as const;

let ledger: Ledger;
beforeEach(() => {
  ledger = createMemoryLedger({ clock: fixedClock });
});

const open = async (clock = new FakeClock()) => {
  const revocations = new Revocations();
  const revoked: string[] = [];
  revocations.subscribe((key) => revoked.push(key));
  const tokens = createTokens(createTokenStore(ledger.records), { clock, revocations, logger: pino({ level: 'silent' }) });
  return { clock, tokens, revoked };
};
const kept = () => JSON.stringify(ledger.records.list('api-token'));

describe('API tokens', () => {
  it('admit with their role, also after a restart', async () => {
    const { tokens } = await open();
    const { token, view } = await tokens.create(wanted, admin);
    expect(token).toMatch(/^fso_[0-9a-f]{16}_[A-Za-z0-9_-]{43}$/);
    expect(view).toMatchObject({
      name: 'ci',
      role: 'operator',
      createdBy: 'ada@example.com',
      createdById: expect.stringMatching(/./),
      lastUsedAt: null,
    });
    const again = (await open()).tokens;
    for (const one of [tokens, again])
      expect((await one.check(token))?.principal).toEqual(principalOf({ kind: 'token', id: view.id, name: 'ci' }, [{ role: 'operator' }]));
  });

  it('are limited to their scope, and invalid at a hub of a version without scopes', async () => {
    const { tokens } = await open();
    const scope = { clusters: { clusterRegions: ['group:eu'] }, policies: { targetNamespaces: ['finance-*'] } };
    const { token, view } = await tokens.create({ ...wanted, ...scope }, admin);
    expect(view).toMatchObject(scope);
    expect((await tokens.check(token))?.principal.grants).toEqual([{ role: 'operator', ...scope }]);
    expect(await tokens.list()).toEqual([expect.objectContaining({ ...scope, id: view.id, lastUsedAt: expect.any(String) })]);
    expect(kept()).toBe('[]');
    expect(await tokens.revoke(view.id)).toMatchObject(scope);
    expect([await tokens.check(token), await tokens.list()]).toEqual([undefined, []]);
  });

  it('are kept as hashes only', async () => {
    const { tokens } = await open();
    const { token } = await tokens.create(wanted, admin);
    expect(kept()).not.toContain(token.slice(21));
    expect(JSON.stringify(await tokens.list())).not.toContain('hash');
  });

  it('are refused when anything of them is different', async () => {
    const { tokens } = await open();
    const { token } = await tokens.create(wanted, admin);
    const [other, flipped] = [(await tokens.create(wanted, admin)).token, token.endsWith('A') ? 'B' : 'A'];
    const mixed = token.slice(0, 21) + other.slice(21);
    for (const wrong of [mixed, token.slice(0, -1), `${token}A`, token.slice(0, -1) + flipped, token.replace('fso_', 'FSO_'), '', 'fso__'])
      expect([wrong, await tokens.check(wrong)]).toEqual([wrong, undefined]);
  });

  it('end with their time', async () => {
    const { tokens, clock } = await open();
    const { token } = await tokens.create({ ...wanted, expiresInDays: 1 }, admin);
    await clock.advance(DAY - 1);
    const grant = await tokens.check(token);
    expect(await grant?.stillHolds()).toBe(true);
    await clock.advance(1);
    expect([await tokens.check(token), await grant?.stillHolds()]).toEqual([undefined, false]);
  });

  it('are revoked at once and for good, with a notification', async () => {
    const { tokens, revoked } = await open();
    const { token, view } = await tokens.create(wanted, admin);
    const grant = await tokens.check(token);
    expect((await tokens.revoke(view.id))?.name).toBe('ci');
    expect([await tokens.check(token), await grant?.stillHolds(), revoked]).toEqual([undefined, false, [`token:${view.id}`]]);
    expect(await (await open()).tokens.check(token)).toBeUndefined();
    expect(await tokens.revoke(view.id)).toBeUndefined();
  });

  it('never exceed the rights of their creator', async () => {
    const { tokens } = await open();
    const operator = principalOf(ada, [{ role: 'operator' }, { role: 'admin', clusters: { clusterNames: ['eu'] } }]);
    await expect(tokens.create({ ...wanted, role: 'admin' }, operator)).rejects.toThrow('You are operator');
    await expect(tokens.create({ ...wanted, role: 'viewer' }, principalOf(ada, []))).rejects.toThrow('without a role');
    expect((await tokens.create({ ...wanted, role: 'operator' }, operator)).view.role).toBe('operator');
    expect(await tokens.list()).toHaveLength(1);
  });

  it('remember their last use, to the minute', async () => {
    const { tokens, clock } = await open();
    const { token } = await tokens.create(wanted, admin);
    const used = async () => (await tokens.list())[0]?.lastUsedAt;
    for (let i = 0; i < 20; i += 1) await tokens.check(token);
    await expect.poll(used).toBe('2026-01-01T00:00:00.000Z');
    await clock.advance(59_000);
    await tokens.check(token);
    await clock.advance(1000);
    expect(await used()).toBe('2026-01-01T00:00:00.000Z');
    await tokens.check(token);
    await expect.poll(used).toBe('2026-01-01T00:01:00.000Z');
  });

  it('are all there after many were made at once', async () => {
    const { tokens } = await open();
    const made = await Promise.all(Array.from({ length: 20 }, () => tokens.create(wanted, admin)));
    const again = (await open()).tokens;
    for (const { token } of made) expect(await again.check(token)).toBeDefined();
  });
});

it('leaves everything unchanged when an API token cannot be written', async () => {
  const { tokens } = await open();
  const { token, view } = await tokens.create(wanted, admin);
  const update = vi.spyOn(ledger.records, 'update').mockRejectedValue(new Error('disk full'));
  await expect(tokens.revoke(view.id)).rejects.toThrow('disk full');
  await expect(tokens.create(wanted, admin)).rejects.toThrow('disk full');
  update.mockRestore();
  expect(await tokens.check(token)).toBeDefined();
  expect(await tokens.list()).toHaveLength(1);
});

it('records API tokens in the ledger: added, used and removed', async () => {
  const record: TokenRecord = {
    id: 't1',
    name: 'ci',
    role: 'viewer',
    hash: 'h',
    createdBy: 'ada',
    createdAt: TIME,
    expiresAt: TIME,
    lastUsedAt: null,
  };
  const store = createTokenStore(ledger.records);
  await store.add(record);
  expect(await store.find('t1')).toEqual(record);
  await store.used('t1', TIME);
  await store.used('none', TIME);
  expect(await createTokenStore(ledger.records).list()).toEqual([{ ...record, lastUsedAt: TIME }]);
  expect([await store.remove('t1'), await store.remove('t1'), await store.list()]).toEqual([true, false, []]);
});
