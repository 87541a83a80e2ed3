import { CreatedToken, PolicySummaryPage } from '@fso/shared/api';
import { systemClock } from '@fso/shared/runtime';
import { afterEach, expect, it, vi } from 'vitest';
import { type ApiHarness, fillLedger, startApiHarness } from '../testing/api-harness.ts';

const STATIC = 'static-token-0123456789';

afterEach(() => vi.restoreAllMocks());

const ask = (server: ApiHarness, path: string, token = STATIC, init: RequestInit = {}): Promise<Response> =>
  fetch(server.url + path, { ...init, headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' } });

it('delays a caller whose lists take too much of the thread, and no other', async () => {
  await using server = await startApiHarness({ apiToken: STATIC, clock: { ...systemClock, monotonicMs: () => 0 } });
  await fillLedger(server.ledger);
  const body = JSON.stringify({ name: 'ci', role: 'viewer' });
  const { token } = CreatedToken.parse(await (await ask(server, '/api/v1/tokens', STATIC, { method: 'POST', body })).json());
  let user = 0;
  vi.spyOn(process, 'threadCpuUsage').mockImplementation(() => {
    // Six seconds for each piece of work: the list, and the answer.
    user += 6_000_000;
    return { user, system: 0 };
  });
  const list = (by: string): Promise<Response> => ask(server, '/api/v1/policy-summaries', by);
  expect(PolicySummaryPage.parse(await (await list(token)).json()).total).toBe(2);
  const refused = await list(token);
  expect([refused.status, refused.headers.get('Retry-After')]).toEqual([429, '4']);
  const others = [await list(STATIC), await ask(server, '/healthz'), await ask(server, '/api/v1/policies/finance', token)];
  expect(others.map(({ status }) => status)).toEqual([200, 200, 200]);
});
