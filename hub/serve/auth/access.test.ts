import { request } from 'node:http';
import { systemClock } from '@fso/shared/runtime';
import { describe, expect, it } from 'vitest';
import type { Ledger } from '../../ledger/index.ts';
import { createMemoryLedger } from '../../ledger/testing/memory-ledger.ts';
import { ROUTES } from '../openapi.ts';
import { fillLedger, startApiHarness } from '../testing/api-harness.ts';
import { ask, create, problemOf, STATIC } from './testing/requests.ts';

it('refuses changes by credentials where a hub cannot learn of revocations, and allows reading', async () => {
  let behind = 0;
  const ledger: Ledger = { ...createMemoryLedger({ clock: systemClock }), behindMs: () => behind };
  await using server = await startApiHarness({ apiToken: STATIC, ledger });
  const { token } = await create(server, { name: 'root', role: 'admin' });
  const statuses = async () => [
    (await ask(server, '/api/v1/status', { token })).status,
    (await ask(server, '/api/v1/tokens', { token })).status,
    (await ask(server, '/api/v1/tokens')).status,
  ];
  expect(await statuses()).toEqual([200, 200, 200]);
  behind = 300_001;
  expect(await statuses()).toEqual([200, 503, 200]);
  behind = 1_000;
  expect(await statuses()).toEqual([200, 200, 200]);
});

it('shows in readiness that the database is away, and hides its address', async () => {
  const memory = createMemoryLedger({ clock: systemClock });
  const health = () => ({
    ok: false as const,
    since: '2026-01-03T10:30:00.000Z',
    message: 'connect ECONNREFUSED 10.1.2.3:5432 (user fso)',
  });
  await using server = await startApiHarness({ apiToken: STATIC, ledger: { ...memory, health } });
  await fillLedger(memory);
  const answer = await ask(server, '/readyz', { token: '' });
  const text = await answer.text();
  expect([answer.status, text]).toEqual([503, expect.stringContaining('2026-01-03T10:30:00.000Z')]);
  expect(text).not.toMatch(/10\.1\.2\.3|fso\)|ECONN/);
});

describe('access', () => {
  it('is read-only on a hub without authentication', async () => {
    await using server = await startApiHarness();
    await fillLedger(server.ledger);
    expect((await ask(server, '/api/v1/status', { token: '' })).status).toBe(200);
    const answer = await ask(server, '/api/v1/tokens', { method: 'POST', token: '', body: { name: 'ci', role: 'viewer' } });
    expect([answer.status, (await problemOf(answer)).detail]).toEqual([
      403,
      'You are anonymous with the role viewer; this needs the role admin.',
    ]);
    expect((await ask(server, '/api/v1/source/fetch', { method: 'POST', token: '' })).status).toBe(403);
    expect((await ask(server, '/api/v1/status', { token: 'wrong' })).status).toBe(401);
  });

  it('is refused for foreign host names on a hub without authentication', async () => {
    await using server = await startApiHarness();
    await fillLedger(server.ledger);
    const { port } = new URL(server.url);
    const as = (host: string): Promise<number | undefined> =>
      new Promise((resolve, reject) => {
        const call = request({ port, host: '127.0.0.1', path: '/api/v1/status', headers: { Host: `${host}:${port}` } }, (response) => {
          response.resume();
          resolve(response.statusCode);
        });
        call.on('error', reject).end();
      });
    expect(await Promise.all(['localhost', '127.0.0.1', '[::1]', 'evil.example', 'localhost.evil.example'].map(as))).toEqual([
      200, 200, 200, 403, 403,
    ]);
  });

  it('is declared by every route; one that changes something requires more than viewing, or a proof of its own', () => {
    const changing = ROUTES.filter(({ method }) => method !== 'get').map(({ operationId, access }) => [operationId, access]);
    expect(changing).toEqual([
      ['fetchSource', 'operator'],
      ['gitWebhook', 'open'],
      // It changes nothing: it is a question that has a body.
      ['createPlan', 'viewer'],
      ['pauseRollout', 'operator'],
      ['resumeRollout', 'operator'],
      ['testReceiver', 'operator'],
      ['createSilence', 'operator'],
      ['endSilence', 'operator'],
      ['createEnrolmentToken', 'admin'],
      ['revokeCluster', 'admin'],
      ['forgetCluster', 'admin'],
      ['createToken', 'admin'],
      ['revokeToken', 'admin'],
      ['logout', 'signed-in'],
      ['tokenLogin', 'open'],
      ['allowCliLogin', 'open'],
      ['cliToken', 'open'],
      ['createLoginLink', 'signed-in'],
      ['redeemLoginLink', 'open'],
    ]);
    const open = ROUTES.filter(({ access }) => access === 'open').map(({ path }) => path);
    expect(open).toEqual([
      '/healthz',
      '/readyz',
      '/api/v1/webhooks/git',
      '/auth/login',
      '/auth/callback',
      '/auth/methods',
      '/auth/token',
      '/auth/cli',
      '/auth/cli',
      '/auth/cli/token',
      '/auth/link',
      '/auth/link',
      '/api/v1/openapi.json',
    ]);
  });

  it('has no login without a provider, and lists the alternatives', async () => {
    await using server = await startApiHarness({ apiToken: STATIC });
    const answer = await ask(server, '/auth/login', { token: '' });
    expect([answer.status, (await problemOf(answer)).detail]).toEqual([404, expect.stringContaining('no identity provider')]);
  });

  it('is limited after too many failures of an address, without locking out valid callers', async () => {
    const clock = { ...systemClock, monotonicMs: () => 0 };
    await using server = await startApiHarness({ apiToken: STATIC, trustedProxies: ['127.0.0.1'], clock });
    const from = (address: string, token: string) => ask(server, '/auth/session', { token, headers: { 'X-Forwarded-For': address } });
    const statuses: number[] = [];
    for (let i = 0; i < 25; i += 1) statuses.push((await from('10.1.1.1', 'wrong')).status);
    expect([statuses[0], statuses.at(-1)]).toEqual([401, 429]);
    expect([(await from('10.1.1.1', STATIC)).status, (await from('10.1.1.2', 'wrong')).status]).toEqual([200, 401]);
    expect(await (await ask(server, '/metrics')).text()).toContain('fso_hub_auth_failures_total{reason="invalid"} 26');
  });

  it('ignores a forwarded address that no trusted proxy sent', async () => {
    await using server = await startApiHarness({ apiToken: STATIC });
    await ask(server, '/api/v1/source/fetch', { method: 'POST', headers: { 'X-Forwarded-For': '203.0.113.7' } });
    expect(server.audit.map(({ from }) => from)).toEqual(['127.0.0.1']);
  });
});

describe('audit', () => {
  it('has every change, done or refused, before the response', async () => {
    await using server = await startApiHarness({ apiToken: STATIC });
    const { token, view } = await create(server);
    await ask(server, '/api/v1/source/fetch', { method: 'POST', token });
    await ask(server, '/api/v1/tokens', { method: 'POST', body: { name: 'x' } });
    await ask(server, `/api/v1/tokens/${view.id}`, { method: 'DELETE' });
    await ask(server, '/api/v1/tokens', { method: 'POST', token: 'wrong', body: { name: 'x' } });
    const local = { kind: 'local', id: 'local', name: 'local', roles: ['admin'] };
    expect(server.audit.map(({ actor, action, subject, outcome }) => ({ actor, action, subject, outcome }))).toEqual([
      { actor: local, action: 'createToken', subject: view.id, outcome: 'done' },
      { actor: { kind: 'token', id: view.id, name: 'ci', roles: ['viewer'] }, action: 'fetchSource', subject: '', outcome: 'refused' },
      { actor: local, action: 'createToken', subject: '', outcome: 'refused' },
      { actor: local, action: 'revokeToken', subject: view.id, outcome: 'done' },
    ]);
    expect(JSON.stringify(server.audit)).not.toContain(token.slice(21));
  });

  it('is not filled by an address that is refused again and again', async () => {
    const clock = { ...systemClock, monotonicMs: () => 0 };
    await using server = await startApiHarness({ apiToken: STATIC, clock });
    const { token } = await create(server);
    const statuses: number[] = [];
    for (let i = 0; i < 25; i += 1) statuses.push((await ask(server, '/api/v1/source/fetch', { method: 'POST', token })).status);
    expect([statuses.filter((status) => status === 403).length, statuses.at(-1)]).toEqual([20, 429]);
    expect(server.audit.filter(({ outcome }) => outcome === 'refused')).toHaveLength(20);
  });
});

describe('what cannot be recorded', () => {
  it('is not confirmed', async () => {
    await using server = await startApiHarness({ apiToken: STATIC, onAudit: () => Promise.reject(new Error('disk full')) });
    const answer = await ask(server, '/api/v1/tokens', { method: 'POST', body: { name: 'ci', role: 'viewer' } });
    expect([answer.status, await answer.text()]).toEqual([500, expect.not.stringContaining('fso_')]);
  });
});

describe('headers of every answer', () => {
  it.each(['/api/v1/status', '/healthz', '/nothing', '/auth/login'])('%s', async (path) => {
    await using server = await startApiHarness();
    await fillLedger(server.ledger);
    const { headers } = await ask(server, path, { token: '' });
    expect(headers.get('content-security-policy')).toBe("default-src 'none';base-uri 'none';form-action 'none';frame-ancestors 'none'");
    expect(headers.get('cache-control')).toBe('no-store');
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('referrer-policy')).toBe('same-origin');
    expect(headers.get('x-frame-options')).toBe('DENY');
    expect([headers.get('strict-transport-security'), headers.get('x-powered-by'), headers.get('access-control-allow-origin')]).toEqual([
      null,
      null,
      null,
    ]);
  });
});
