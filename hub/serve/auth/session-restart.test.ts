import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CreatedToken } from '@fso/shared/api';
import { systemClock } from '@fso/shared/runtime';
import { pino } from 'pino';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openLedger } from '../../ledger/index.ts';
import { type ApiHarness, startApiHarness } from '../testing/api-harness.ts';

const STATIC = 'static-token-0123456789';
const NEVER = new AbortController().signal;

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fso-restart-'));
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

/**
 * Runs work with an API over the same data folder: each call starts a hub that knows only what is
 * stored.
 */
const withHub = async (work: (server: ApiHarness) => Promise<void>, apiToken = STATIC): Promise<void> => {
  const ledger = await openLedger(
    {
      database: { folder: join(folder, 'ledger') },
      history: { days: 1, events: 1_000 },
      clock: systemClock,
      random: Math.random,
      logger: pino({ level: 'silent' }),
    },
    NEVER,
  );
  try {
    await using server = await startApiHarness({ apiToken, ledger, folder });
    await work(server);
  } finally {
    await ledger.close();
  }
};

const post = (server: ApiHarness, path: string, body: object, headers: Record<string, string>): Promise<Response> =>
  fetch(server.url + path, { method: 'POST', headers: { 'Content-Type': 'application/json', ...headers }, body: JSON.stringify(body) });
const signIn = async (server: ApiHarness, token: string): Promise<string> => {
  const answer = await post(server, '/auth/token', { token }, { Origin: server.url, 'X-FSO-CSRF': '1' });
  return answer.headers.getSetCookie()[0]?.split(';')[0] ?? '';
};
const statusWith = async (server: ApiHarness, cookie: string): Promise<number> =>
  (await fetch(`${server.url}/auth/session`, { headers: { Cookie: cookie } })).status;

it('a session outlives a restart of the hub, but not the token it was made from', async () => {
  const admin = { Authorization: `Bearer ${STATIC}` };
  let [byStatic, byToken, tokenId] = ['', '', ''];
  await withHub(async (server) => {
    const { token, view } = CreatedToken.parse(
      await (await post(server, '/api/v1/tokens', { name: 'ci', role: 'viewer', expiresInDays: 1 }, admin)).json(),
    );
    [byStatic, byToken, tokenId] = [await signIn(server, STATIC), await signIn(server, token), view.id];
  });
  await withHub(async (server) => {
    expect([await statusWith(server, byStatic), await statusWith(server, byToken)]).toEqual([200, 200]);
    await fetch(`${server.url}/api/v1/tokens/${tokenId}`, { method: 'DELETE', headers: admin });
  });
  await withHub(async (server) => {
    expect([await statusWith(server, byStatic), await statusWith(server, byToken)]).toEqual([200, 401]);
  });
  await withHub(async (server) => expect(await statusWith(server, byStatic)).toBe(401), 'another-token-0123456789');
});
