import { SessionView, TokenList } from '@fso/shared/api';
import { systemClock } from '@fso/shared/runtime';
import { describe, expect, it } from 'vitest';
import type { FoundEvents, Ledger } from '../../ledger/index.ts';
import { createMemoryLedger } from '../../ledger/testing/memory-ledger.ts';
import { startApiHarness } from '../testing/api-harness.ts';
import { ask, create, DAY, movableClock, problemOf, STATIC } from './testing/requests.ts';

describe('tokens over the API', () => {
  it('are made, listed without secrets, used and revoked', async () => {
    await using server = await startApiHarness({ apiToken: STATIC });
    const { token, view } = await create(server, { name: 'ci', role: 'operator', expiresInDays: 1 });
    expect(Date.parse(view.expiresAt) - Date.parse(view.createdAt)).toBe(DAY);
    const listed = await (await ask(server, '/api/v1/tokens')).text();
    expect(TokenList.parse(JSON.parse(listed)).items).toEqual([view]);
    expect(listed).not.toContain(token.slice(21));
    const who = SessionView.parse(await (await ask(server, '/auth/session', { token })).json());
    expect(who).toEqual({
      kind: 'token',
      id: view.id,
      name: 'ci',
      role: 'operator',
      grants: [{ role: 'operator' }],
      expiresAt: view.expiresAt,
    });
    expect((await ask(server, `/api/v1/tokens/${view.id}`, { method: 'DELETE' })).status).toBe(200);
    expect((await ask(server, `/api/v1/tokens/${view.id}`, { method: 'DELETE' })).status).toBe(404);
    const refused = await ask(server, '/auth/session', { token });
    expect([refused.status, (await problemOf(refused)).detail]).toEqual([401, 'The API token is unknown, revoked or expired.']);
  });

  it('last 90 days by default', async () => {
    await using server = await startApiHarness({ apiToken: STATIC });
    const { view } = await create(server);
    expect(Date.parse(view.expiresAt) - Date.parse(view.createdAt)).toBe(90 * DAY);
  });

  it.each([
    [{ name: 'ci' }, 400, 'body role: '],
    [{ name: 'ci', role: 'root' }, 400, 'body role: '],
    [{ name: '', role: 'viewer' }, 400, 'body name: must be 1 to 63'],
    [{ name: 'a\nb', role: 'viewer' }, 400, 'body name: '],
    [{ name: 'ci', role: 'viewer', expiresInDays: 401 }, 400, 'must be at most 400'],
    [{ name: 'ci', role: 'viewer', expiresInDays: 0 }, 400, 'must be at least 1'],
    [{ name: 'ci', role: 'viewer', admin: true }, 400, 'admin: unknown'],
    [
      { name: 'ci', role: 'viewer', clusters: { clusterSelector: { matchExpressions: [{ key: 'env', operator: 'NotIn' }] } } },
      400,
      'needs values',
    ],
    ['{', 400, 'The body is not JSON.'],
    [[], 400, 'body '],
    [{ name: 'x'.repeat(20_000), role: 'viewer' }, 413, 'The body is larger'],
  ])('are not made from %j', async (body, status, detail) => {
    await using server = await startApiHarness({ apiToken: STATIC });
    const answer = await ask(server, '/api/v1/tokens', { method: 'POST', body });
    expect([answer.status, (await problemOf(answer)).detail]).toEqual([status, expect.stringContaining(detail)]);
    expect(TokenList.parse(await (await ask(server, '/api/v1/tokens')).json()).items).toEqual([]);
  });

  it('are not made from a form', async () => {
    await using server = await startApiHarness({ apiToken: STATIC });
    const headers = { 'Content-Type': 'text/plain' };
    expect((await ask(server, '/api/v1/tokens', { method: 'POST', body: '{"name":"ci","role":"viewer"}', headers })).status).toBe(400);
  });
});

it('an open export ends with the token that opened it, when that is revoked', async () => {
  const found = Promise.withResolvers<FoundEvents>();
  const ledger: Ledger = { ...createMemoryLedger({ clock: systemClock }), searchEvents: () => found.promise };
  await using server = await startApiHarness({ apiToken: STATIC, ledger });
  const { view, token } = await create(server);
  const exported = await ask(server, '/api/v1/events/export?format=csv', { token });
  expect(exported.status).toBe(200);
  await ask(server, `/api/v1/tokens/${view.id}`, { method: 'DELETE' });
  await expect(exported.text()).rejects.toThrow();
  found.resolve({ events: [], next: null });
});

describe('an open stream', () => {
  it('ends when the token that opened it is revoked', async () => {
    await using server = await startApiHarness({ apiToken: STATIC });
    const [one, other] = [await create(server), await create(server)];
    const [first, second] = [
      await ask(server, '/api/v1/stream', { token: one.token }),
      await ask(server, '/api/v1/stream', { token: other.token }),
    ];
    await ask(server, `/api/v1/tokens/${one.view.id}`, { method: 'DELETE' });
    await expect(first.text()).rejects.toThrow();
    const reader = second.body?.getReader();
    expect((await reader?.read())?.done).toBe(false);
    await reader?.cancel();
  });

  it('ends when the token that opened it expires', async () => {
    const clock = movableClock();
    await using server = await startApiHarness({ apiToken: STATIC, clock });
    const { token } = await create(server, { name: 'ci', role: 'viewer', expiresInDays: 1 });
    clock.offsetMs = DAY - 500;
    const stream = await ask(server, '/api/v1/stream', { token });
    expect(stream.status).toBe(200);
    await expect(stream.text()).rejects.toThrow();
  });
});
