import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { secretText } from '@fso/shared/runtime';
import { describe, expect, it } from 'vitest';
import { HUB_SETTINGS, loadHubConfig } from './config.ts';
import { openConfigBench } from './testing/config-harness.ts';

const { folder, base, problemsOf } = openConfigBench();

describe('configuration of the hub', () => {
  it('has defaults that only this machine can reach', async () => {
    const config = await loadHubConfig(base());
    expect(config.listen).toEqual({ host: '127.0.0.1', port: 8080 });
    expect(config.agentListen).toEqual({ host: '127.0.0.1', port: 8443 });
    expect(config.git).toEqual({
      url: 'https://git.example.com/policies.git',
      ref: 'main',
      pollMs: 30_000,
      credentials: undefined,
      trust: { mode: 'off' },
    });
    expect(config.agentTokens).toEqual(new Map([['eu', 'eu-token-0123456789']]));
    expect(config.apiToken).toBeUndefined();
    expect(config.identity).toEqual({ ca: undefined, hostnames: [] });
  });

  it('accepts no tokens, or tokens alone for a proxy on the same machine', async () => {
    const enrolled = await loadHubConfig(
      base({ FSO_AGENT_TOKENS_FILE: '', FSO_AGENT_LISTEN: ':8443', FSO_AGENT_HOSTNAMES: 'Hub.example.com, ::1' }),
    );
    expect([enrolled.agentTokens.size, enrolled.identity?.hostnames]).toEqual([0, ['hub.example.com', '::1']]);
    expect((await loadHubConfig(base({ FSO_AGENT_TLS: 'off' }))).identity).toBeUndefined();
  });

  it('reads the receivers of alerts, and reports problems with their place', async () => {
    const [file, secret] = [join(folder, 'alerts.yaml'), join(folder, 'slack-url')];
    const text = `receivers: [{name: chat, slack: {urlFile: ${secret}}}]\nroute: {receiver: chat}\n`;
    await writeFile(file, text);
    expect(await problemsOf(base({ FSO_ALERTS_FILE: file }))).toEqual([
      `FSO_ALERTS_FILE: receiver chat: ${secret} cannot be read (ENOENT)`,
    ]);
    await writeFile(secret, 'https://hooks.slack.example/services/x');
    const { alerts } = await loadHubConfig(base({ FSO_ALERTS_FILE: file }));
    expect(alerts?.config.receivers.map(({ name }) => name)).toEqual(['chat']);
    await writeFile(file, `${text}rule: {}\n`);
    expect(await problemsOf(base({ FSO_ALERTS_FILE: file }))).toEqual([
      `FSO_ALERTS_FILE: ${file}:3:1: unknown field rule, did you mean rules?`,
    ]);
    const missing = join(folder, 'gone.yaml');
    expect(await problemsOf(base({ FSO_ALERTS_FILE: missing }))).toEqual([`FSO_ALERTS_FILE: ${missing} cannot be read (ENOENT)`]);
  });

  it('reports problems of a CA', async () => {
    const [cert, key] = [join(folder, 'ca.pem'), join(folder, 'ca.key')];
    await Promise.all([writeFile(cert, 'no certificate'), writeFile(key, 'no key')]);
    expect(await problemsOf(base({ FSO_AGENT_CA_CERT_FILE: cert, FSO_AGENT_CA_KEY_FILE: key }))).toEqual([
      'FSO_AGENT_CA_CERT_FILE, FSO_AGENT_CA_KEY_FILE: there is no certificate in the file',
    ]);
  });

  it('reads credentials from the URL and secrets from files', async () => {
    const secret = join(folder, 'api-token');
    await writeFile(secret, 'api-token-0123456789\n');
    const config = await loadHubConfig(
      base({ FSO_GIT_URL: 'https://bot:p%40ss@git.example.com/p.git', FSO_API_TOKEN_FILE: secret, FSO_WEBHOOK_SECRET: '' }),
    );
    expect(config.git.url).toBe('https://git.example.com/p.git');
    expect(config.git.credentials).toEqual({ username: 'bot', password: 'p@ss' });
    expect(secretText(config.apiToken ?? '')).toBe('api-token-0123456789');
    expect(config.webhookSecret).toBeUndefined();
    const withToken = await loadHubConfig(base({ FSO_GIT_TOKEN: 'ghp_x' }));
    expect(withToken.git.credentials).toEqual({ username: 'git', password: 'ghp_x' });
  });

  it.each([
    ['https://github.com/org/policies.git', 'https://github.com/org/policies/commit/{revision}'],
    ['https://bot:x@gitlab.com/group/sub/policies/', 'https://gitlab.com/group/sub/policies/-/commit/{revision}'],
    ['https://git.example.com/policies.git', undefined],
  ])('finds the web page of commits of %s', async (url, commitUrl) => {
    expect((await loadHubConfig(base({ FSO_GIT_URL: url }))).git.commitUrl).toBe(commitUrl);
    const own = 'https://git.example.com/org/policies/commit/{revision}?view=diff';
    expect((await loadHubConfig(base({ FSO_GIT_URL: url, FSO_GIT_COMMIT_URL: own }))).git.commitUrl).toBe(own);
  });

  it.each([
    'javascript:alert(1)//{revision}',
    'https://git.example.com/commit/',
    'https://git.example.com/{revision}/{revision}',
    'https://bot:x@git.example.com/{revision}',
    'https://{revision}.example.com/',
  ])('refuses a page of commits at %s', async (url) => {
    expect(await problemsOf(base({ FSO_GIT_COMMIT_URL: url }))).toEqual([expect.stringMatching(/^FSO_GIT_COMMIT_URL: /)]);
  });

  it('reports all problems at once', async () => {
    const problems = await problemsOf({
      FSO_GIT_URL: 'ssh://git@example.com/p.git',
      FSO_LISTEN: 'nowhere',
      FSO_API_TOKEN: 'short',
      FSO_WEBHOOK_SECRET_FILE: join(folder, 'absent'),
      FSO_AGENT_HOSTNAMES: 'a b',
    });
    for (const name of ['FSO_GIT_URL', 'FSO_LISTEN', 'FSO_API_TOKEN', 'FSO_WEBHOOK_SECRET_FILE', 'FSO_AGENT_HOSTNAMES'])
      expect(problems.filter((problem) => problem.startsWith(`${name}:`))).toHaveLength(1);
  });

  it.each([
    ['an open API for other machines', { FSO_LISTEN: '0.0.0.0:8080' }, 'FSO_API_TOKEN'],
    ['agent tokens in the clear', { FSO_AGENT_LISTEN: ':8443', FSO_AGENT_TLS: 'off' }, 'FSO_AGENT_TLS'],
    ['no way for agents to connect', { FSO_AGENT_TOKENS_FILE: '', FSO_AGENT_TLS: 'off' }, 'FSO_AGENT_TOKENS_FILE'],
    ['a host name that is none', { FSO_AGENT_HOSTNAMES: 'hub.example.com,not a name' }, 'FSO_AGENT_HOSTNAMES'],
    ['a CA without its key', { FSO_AGENT_CA_CERT_FILE: '/tmp/ca.pem' }, 'FSO_AGENT_CA_CERT_FILE, FSO_AGENT_CA_KEY_FILE'],
    ['a certificate without a key', { FSO_AGENT_TLS_CERT_FILE: '/tmp/cert.pem' }, 'FSO_AGENT_TLS_CERT_FILE, FSO_AGENT_TLS_KEY_FILE'],
    ['a secret given twice', { FSO_API_TOKEN: 'x'.repeat(20), FSO_API_TOKEN_FILE: '/dev/null' }, 'FSO_API_TOKEN, FSO_API_TOKEN_FILE'],
    ['a tokens file that is not there', { FSO_AGENT_TOKENS_FILE: '/nowhere/tokens' }, 'FSO_AGENT_TOKENS_FILE'],
  ])('refuses %s', async (_name, change, variable) => {
    const problems = await problemsOf(base(change));
    expect(problems.some((problem) => problem.startsWith(variable))).toBe(true);
  });

  it('describes every setting', () => {
    expect(HUB_SETTINGS.filter(({ description }) => description === '')).toEqual([]);
    expect(HUB_SETTINGS.filter(({ isNeeded }) => isNeeded).map(({ name }) => name)).toEqual(['FSO_GIT_URL']);
  });
});
