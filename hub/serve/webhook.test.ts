import { createHmac } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { createRateLimit } from './rate-limit.ts';
import { startTestServer } from './test-server.ts';
import { MAX_WEBHOOK_BYTES } from './webhook.ts';

const secret = 'hook';
const body = '{"ref":"refs/heads/main"}';
const sign = (text: string, key = secret): string => createHmac('sha256', key).update(text).digest('hex');

const send = async (url: string, headers: Record<string, string>, payload = body): Promise<number> => {
  const response = await fetch(`${url}/api/v1/webhooks/git`, { method: 'POST', headers, body: payload });
  await response.text();
  return response.status;
};

describe('git webhook', () => {
  it.each([
    ['GitHub', { 'X-Hub-Signature-256': `sha256=${sign(body)}` }, 202],
    ['Gitea', { 'X-Gitea-Signature': sign(body) }, 202],
    ['GitLab', { 'X-Gitlab-Token': secret }, 202],
    ['nothing', {}, 403],
    ['another secret', { 'X-Hub-Signature-256': `sha256=${sign(body, 'other')}` }, 403],
    ['another body', { 'X-Gitea-Signature': sign('{}') }, 403],
    ['no prefix', { 'X-Hub-Signature-256': sign(body) }, 403],
    ['another token', { 'X-Gitlab-Token': 'hoo' }, 403],
    ['an empty signature', { 'X-Hub-Signature-256': 'sha256=' }, 403],
  ])('signed with %s', async (_what, headers, status) => {
    await using server = await startTestServer({ webhookSecret: secret, apiToken: 'unrelated' });
    expect(await send(server.url, headers as Record<string, string>)).toBe(status);
    expect(server.hints).toBe(status === 202 ? 1 : 0);
  });

  it('needs no secret from the own machine, but does through a proxy', async () => {
    await using server = await startTestServer();
    expect(await send(server.url, {})).toBe(202);
    expect(await send(server.url, { 'X-Forwarded-For': '203.0.113.7' })).toBe(403);
    expect(server.hints).toBe(1);
  });

  it('refuses a body beyond the bound', async () => {
    await using server = await startTestServer({ webhookSecret: secret });
    const large = 'x'.repeat(MAX_WEBHOOK_BYTES + 1);
    const status = await send(server.url, { 'X-Gitea-Signature': sign(large) }, large).catch(() => 413);
    expect(status).toBe(413);
    expect(server.hints).toBe(0);
  });

  it('is limited per address', async () => {
    await using server = await startTestServer();
    const statuses = new Set<number>();
    for (let i = 0; i < 40; i += 1) statuses.add(await send(server.url, {}));
    expect([...statuses]).toEqual([202, 429]);
  });
});

describe('rate limit', () => {
  it('refills with time and forgets the address unused for longest', () => {
    let ms = 0;
    const clock = { now: () => new Date(ms), monotonicMs: () => ms, sleep: () => Promise.resolve() };
    const allows = createRateLimit(clock, { burst: 1, perSecond: 1, addresses: 2 });
    expect([allows('a'), allows('a')]).toEqual([true, false]);
    ms = 1000;
    expect(allows('a')).toBe(true);
    expect([allows('b'), allows('c'), allows('a')]).toEqual([true, true, true]);
  });
});
