import { createHmac } from 'node:crypto';
import { createRateLimit, systemClock } from '@fso/shared/runtime';
import { describe, expect, it } from 'vitest';
import { startApiHarness } from '../testing/api-harness.ts';
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
  it('fetches again when it is repeated, with one entry in the audit log', async () => {
    await using server = await startApiHarness({ webhookSecret: secret });
    const headers = { 'X-Hub-Signature-256': `sha256=${sign(body)}` };
    const other = '{"ref":"refs/heads/main","after":"1"}';
    expect([await send(server.url, headers), await send(server.url, headers), server.hints]).toEqual([202, 202, 2]);
    expect(await send(server.url, { 'X-Hub-Signature-256': `sha256=${sign(other)}` }, other)).toBe(202);
    const accepted = (await server.ledger.audit.list({ limit: 10 })).filter(({ action }) => action === 'webhook.accept');
    expect(accepted).toHaveLength(2);
  });

  it.each([
    ['github', ['X-GitHub-Event']],
    ['gitea', ['X-GitHub-Event', 'X-Gitea-Event']],
    ['forgejo', ['X-GitHub-Event', 'X-Gitea-Event', 'X-Forgejo-Event']],
    ['gitlab', ['X-Gitlab-Event']],
    ['git', []],
  ])('records %s as the sender', async (sender, names) => {
    await using server = await startApiHarness({ webhookSecret: secret });
    const events = Object.fromEntries(names.map((name) => [name, 'push']));
    expect(await send(server.url, { ...events, 'X-Hub-Signature-256': `sha256=${sign(body)}` })).toBe(202);
    expect((await server.ledger.audit.list({ limit: 1 }))[0]?.actor).toMatchObject({ kind: 'webhook', id: sender });
  });

  const seconds = (age = 0): string => String(Math.floor(Date.now() / 1000) - age);
  const standard = (key: string | Buffer, { id = 'm1', timestamp = seconds(), text = body } = {}) => ({
    'webhook-id': id,
    'webhook-timestamp': timestamp,
    'webhook-signature': `v1,${createHmac('sha256', key).update(`${id}.${timestamp}.${text}`).digest('base64')}`,
  });
  const bytes = Buffer.from('0123456789abcdef0123456789abcdef');
  const signing = `whsec_${bytes.toString('base64')}`;

  it.each([
    ['GitHub', { 'X-Hub-Signature-256': `sha256=${sign(body)}` }, 202],
    ['Gitea', { 'X-Gitea-Signature': sign(body) }, 202],
    ['Forgejo', { 'X-Forgejo-Signature': sign(body), 'X-Gitea-Signature': sign(body) }, 202],
    ['GitLab', { 'X-Gitlab-Token': secret }, 202],
    ['GitLab by a signature', standard(secret), 202],
    [
      'GitLab by one of two signatures',
      { ...standard(secret), 'webhook-signature': `v1,AAAA ${standard(secret)['webhook-signature']}` },
      202,
    ],
    ['nothing', {}, 403],
    ['another secret', { 'X-Hub-Signature-256': `sha256=${sign(body, 'other')}` }, 403],
    ['another body', { 'X-Gitea-Signature': sign('{}') }, 403],
    ['no prefix', { 'X-Hub-Signature-256': sign(body) }, 403],
    ['another token', { 'X-Gitlab-Token': 'hoo' }, 403],
    ['an empty token', { 'X-Gitlab-Token': '' }, 403],
    ['an empty signature', { 'X-Hub-Signature-256': 'sha256=' }, 403],
    ['a signature of SHA-1', { 'X-Hub-Signature': `sha1=${createHmac('sha1', secret).update(body).digest('hex')}` }, 403],
    ['a signature of GitLab of another secret', standard('other'), 403],
    ['a signature of GitLab over another body', standard(secret, { text: '{}' }), 403],
    ['a signature of GitLab for another id', { ...standard(secret), 'webhook-id': 'm2' }, 403],
    ['a signature of GitLab for another time', { ...standard(secret), 'webhook-timestamp': seconds(1) }, 403],
    ['an old signature of GitLab', standard(secret, { timestamp: seconds(301) }), 403],
    ['a signature of GitLab of the future', standard(secret, { timestamp: seconds(-3_600) }), 403],
    ['a bad signature beside a good token', { ...standard('other'), 'X-Gitlab-Token': secret }, 403],
    [
      'a bad signature of GitHub beside a good one of Gitea',
      { 'X-Hub-Signature-256': `sha256=${sign('{}')}`, 'X-Gitea-Signature': sign(body) },
      403,
    ],
  ])('is accepted when it is signed with %s', async (_what, headers, status) => {
    await using server = await startApiHarness({ webhookSecret: secret, apiToken: 'unrelated' });
    expect(await send(server.url, headers as Record<string, string>)).toBe(status);
    expect(server.hints).toBe(status === 202 ? 1 : 0);
  });

  it('uses the bytes behind whsec_ as the key of a signing token', async () => {
    await using server = await startApiHarness({ webhookSecret: signing });
    expect([await send(server.url, standard(bytes)), await send(server.url, standard(signing))]).toEqual([202, 403]);
  });

  it('may be sent again: it is a hint and nothing else', async () => {
    await using server = await startApiHarness({ webhookSecret: secret });
    for (let i = 0; i < 3; i += 1) expect(await send(server.url, { 'X-Gitea-Signature': sign(body) })).toBe(202);
    expect([server.hints, server.audit]).toEqual([3, []]);
  });

  it('needs no secret from the own machine, but does through a proxy', async () => {
    await using server = await startApiHarness();
    expect(await send(server.url, {})).toBe(202);
    expect(await send(server.url, { 'X-Forwarded-For': '203.0.113.7' })).toBe(403);
    expect(server.hints).toBe(1);
  });

  it('refuses a body beyond the bound', async () => {
    await using server = await startApiHarness({ webhookSecret: secret });
    const large = 'x'.repeat(MAX_WEBHOOK_BYTES + 1);
    const status = await send(server.url, { 'X-Gitea-Signature': sign(large) }, large).catch(() => 413);
    expect(status).toBe(413);
    expect(server.hints).toBe(0);
  });

  it('is limited per address', async () => {
    await using server = await startApiHarness({ clock: { ...systemClock, monotonicMs: () => 0 } });
    const statuses = new Set<number>();
    for (let i = 0; i < 40; i += 1) statuses.add(await send(server.url, {}));
    expect([...statuses]).toEqual([202, 429]);
  });
});

describe('what a webhook is about', () => {
  const git = { url: 'https://git.example.com/scm/governance/policies.git', ref: 'main' };
  const push = (ref: string, repository?: string) => ({ ref, ...(repository && { repository: { full_name: repository } }) });
  const ask = async (payload: object | string, headers: Record<string, string> = {}, config = git) => {
    await using server = await startApiHarness({ webhookSecret: secret, git: config });
    const text = typeof payload === 'string' ? payload : JSON.stringify(payload);
    const response = await fetch(`${server.url}/api/v1/webhooks/git`, {
      method: 'POST',
      headers: { 'X-Gitea-Signature': sign(text), ...headers },
      body: text,
    });
    const answer = (await response.json()) as { accepted: boolean; ignored?: string };
    expect([response.status, server.hints]).toEqual([202, answer.accepted ? 1 : 0]);
    return answer.ignored;
  };

  it.each([
    [push('refs/heads/main', 'governance/policies')],
    [push('refs/heads/main', 'Governance/Policies')],
    [push('refs/heads/main')],
    [push(`refs/tags/fso/approve/${'a'.repeat(40)}/production`, 'governance/policies')],
    [{ ref: 'refs/heads/main', project: { path_with_namespace: 'scm/governance/policies' } }],
    [{}],
    ['no JSON'],
    [`payload=${encodeURIComponent(JSON.stringify(push('refs/heads/main')))}`],
    [{ ref: 7 }],
  ])('may be about the followed ref: %j', async (payload) => {
    expect(await ask(payload)).toBeUndefined();
  });

  it.each([
    [push('refs/heads/feature', 'governance/policies'), 'this hub follows main, not refs/heads/feature'],
    [push('refs/heads/main2'), 'this hub follows main'],
    [push('refs/tags/v1'), 'this hub follows main'],
    [push('refs/heads/main', 'governance/other'), 'does not follow the repository governance/other'],
    [push('refs/heads/main', 'vernance/policies'), 'does not follow the repository'],
    [`payload=${encodeURIComponent(JSON.stringify(push('refs/heads/x')))}`, 'this hub follows main'],
  ])('is ignored for any other ref: %j', async (payload, reason) => {
    expect(await ask(payload)).toContain(reason);
  });

  it('is ignored when the event is no push', async () => {
    expect(await ask({}, { 'X-GitHub-Event': 'ping' })).toBe('the event ping is no push');
    expect(await ask({}, { 'X-Gitlab-Event': 'Issue Hook' })).toContain('Issue Hook');
    for (const headers of [{ 'X-GitHub-Event': 'push' }, { 'X-Gitlab-Event': 'Push Hook' }, { 'X-Gitea-Event': 'push' }])
      expect(await ask({}, headers as Record<string, string>)).toBeUndefined();
  });

  it.each(['refs/heads/release', 'release'])('matches a ref that is configured as %s', async (ref) => {
    expect(await ask(push('refs/heads/release'), {}, { ...git, ref })).toBeUndefined();
  });

  it('counts as a push when it is larger than a mebibyte', async () => {
    expect(await ask({ ...push('refs/heads/other'), padding: 'x'.repeat(1_100_000) })).toBeUndefined();
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
