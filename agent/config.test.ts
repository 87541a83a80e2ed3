import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConfigError, SecretFile, secretText } from '@fso/shared/runtime';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AGENT_SETTINGS, loadAgentConfig } from './config.ts';

/** A public key; nobody has its other half. */
const ED25519 = 'AAAAC3NzaC1lZDI1NTE5AAAAINdamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fso-agent-config-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const fileWith = async (name: string, text: string): Promise<string> => {
  const path = join(folder, name);
  await writeFile(path, text);
  return path;
};
const problemsOf = async (env: Record<string, string>): Promise<readonly string[]> => {
  const error: unknown = await loadAgentConfig(env).catch((reason: unknown) => reason);
  if (!(error instanceof ConfigError)) throw new Error('no ConfigError', { cause: error });
  return error.problems;
};
const withHub = (change: Record<string, string> = {}) => ({ FSO_CLUSTER: 'eu', FSO_HUB_URL: 'wss://hub', ...change });

describe('configuration of the agent', () => {
  it('needs only the name of the cluster', async () => {
    const config = await loadAgentConfig({ FSO_CLUSTER: 'eu' });
    expect(config).toMatchObject({ cluster: 'eu', hub: undefined, leaderElection: true, retryMs: [5_000, 30_000] });
    expect(config.listen).toEqual({ host: '127.0.0.1', port: 8081 });
  });

  it('reads the token and the CA from files', async () => {
    const [token, ca] = [await fileWith('token', 'token-of-eu\n'), await fileWith('ca.pem', 'PEM\n')];
    const { hub } = await loadAgentConfig(withHub({ FSO_HUB_TOKEN_FILE: token, FSO_HUB_CA_FILE: ca, FSO_HUB_TOKEN: '' }));
    expect(secretText(hub?.token ?? '')).toBe('token-of-eu');
    expect(hub).toEqual({ url: 'wss://hub', token: expect.any(SecretFile), enrolToken: undefined, ca: 'PEM\n' });
  });

  it('verifies commits strictly as soon as signers are configured', async () => {
    const signers = await fileWith('signers', `ana ssh-ed25519 ${ED25519}\n`);
    expect((await loadAgentConfig({ FSO_CLUSTER: 'eu' })).trust).toEqual({ mode: 'off' });
    expect((await loadAgentConfig({ FSO_CLUSTER: 'eu', FSO_SIGNERS_FILE: signers })).trust).toMatchObject({
      mode: 'strict',
      signers: { ssh: [{ principals: 'ana' }] },
    });
    const off = { FSO_CLUSTER: 'eu', FSO_SIGNERS_FILE: signers, FSO_VERIFY: 'off' };
    expect((await loadAgentConfig(off)).trust).toEqual({ mode: 'off' });
  });

  it('does not start with invalid signers', async () => {
    const trusting = (env: Record<string, string>) => problemsOf({ FSO_CLUSTER: 'eu', ...env });
    expect(await trusting({ FSO_VERIFY: 'warn' })).toEqual(['FSO_VERIFY: warn needs FSO_SIGNERS_FILE or FSO_SIGNERS_KEYRING']);
    const bad = await fileWith('bad-signers', `ana ssh-ed25519 ${ED25519}\nbob cert-authority ssh-ed25519 ${ED25519}\n`);
    expect(await trusting({ FSO_SIGNERS_FILE: bad, FSO_VERIFY: 'off' })).toEqual([
      'FSO_SIGNERS_FILE: allowed signers, line 2: cert-authority is not supported: list the keys of the signers themselves',
    ]);
    const keyring = await fileWith('keyring.asc', 'no keyring\n');
    expect(await trusting({ FSO_SIGNERS_KEYRING: keyring })).toEqual([expect.stringContaining('FSO_SIGNERS_KEYRING: keyring: ')]);
    expect(await trusting({ FSO_SIGNERS_FILE: join(folder, 'absent') })).toEqual([expect.stringContaining('cannot be read (ENOENT)')]);
    const nobody = await fileWith('nobody', '# nobody\n');
    expect(await trusting({ FSO_SIGNERS_FILE: nobody })).toEqual(['FSO_SIGNERS_FILE: the signers hold no key that may sign commits']);
  });

  it('names every problem together, of variables and of files', async () => {
    const problems = await problemsOf({
      FSO_HUB_URL: 'http://hub',
      FSO_HUB_TOKEN_FILE: join(folder, 'absent'),
      FSO_HUB_CA_FILE: await fileWith('empty.pem', ''),
      FSO_LISTEN: 'here',
      FSO_LEADER_ELECTION: 'perhaps',
    });
    const names = ['FSO_CLUSTER', 'FSO_HUB_URL', 'FSO_HUB_TOKEN_FILE', 'FSO_HUB_CA_FILE', 'FSO_LISTEN', 'FSO_LEADER_ELECTION'];
    expect(new Set(problems.map((problem) => problem.split(':', 1)[0]))).toEqual(new Set(names));
    expect(problems).toHaveLength(names.length);
  });

  it('requires one token for a hub, with characters of a header', async () => {
    const empty = await fileWith('empty', ' \n');
    expect(await problemsOf(withHub({ FSO_HUB_TOKEN_FILE: empty }))).toEqual([`FSO_HUB_TOKEN_FILE: ${empty} is empty`]);
    const token = await fileWith('other', 'hunter2');
    expect(await problemsOf(withHub({ FSO_HUB_TOKEN: 'hunter2', FSO_HUB_TOKEN_FILE: token }))).toEqual([
      'FSO_HUB_TOKEN, FSO_HUB_TOKEN_FILE: only one of them may be set',
    ]);
    const [problem] = await problemsOf(withHub({ FSO_HUB_TOKEN: 'hunter2\nhunter3' }));
    expect(problem).toMatch(/^FSO_HUB_TOKEN: must be/);
    expect(problem).not.toContain('hunter');
  });

  it.each(['ws://hub', 'ws://10.0.0.1:8443/agent/v1/stream', 'ws://127.0.0.1.example.com', 'ws://localhost@hub', 'ws://[::2]'])(
    'sends no token in the clear to %s',
    async (url) => {
      expect(await problemsOf(withHub({ FSO_HUB_URL: url, FSO_HUB_TOKEN: 'token' }))).toEqual([
        expect.stringMatching(/^FSO_HUB_URL: .*use wss:\/\//),
      ]);
    },
  );

  it.each(['ws://localhost:8443', 'ws://127.0.0.1:8443', 'ws://[::1]:8443', 'wss://hub'])('accepts %s', async (url) => {
    expect((await loadAgentConfig(withHub({ FSO_HUB_URL: url, FSO_HUB_TOKEN: 'token' }))).hub?.url).toBe(url);
  });

  it('accepts user names with any valid character, and the namespace of Gatekeeper', async () => {
    const config = await loadAgentConfig({
      FSO_CLUSTER: 'eu',
      FSO_TRUSTED_BINDERS: String.raw`system:kube-scheduler, CORP\jane doe ,oidc#a=b+c"'`,
      FSO_GATEKEEPER_NAMESPACE: 'security',
    });
    expect(config.trustedBinders).toEqual(['system:kube-scheduler', String.raw`CORP\jane doe`, `oidc#a=b+c"'`]);
    expect(config.gatekeeperNamespace).toBe('security');
    expect((await loadAgentConfig({ FSO_CLUSTER: 'eu' })).gatekeeperNamespace).toBe('gatekeeper-system');
    const problems = await problemsOf({ FSO_CLUSTER: 'eu', FSO_TRUSTED_BINDERS: 'a\nb', FSO_GATEKEEPER_NAMESPACE: 'Not a name' });
    expect(new Set(problems.map((problem) => problem.split(':', 1)[0]))).toEqual(
      new Set(['FSO_TRUSTED_BINDERS', 'FSO_GATEKEEPER_NAMESPACE']),
    );
  });

  it('enrols with a token of its own cluster, over TLS, or has its identity already', async () => {
    const tokenOf = (cluster: string): string => `fso1.${cluster}.${Buffer.alloc(32, 1).toString('base64url')}.${'ab'.repeat(32)}`;
    expect((await loadAgentConfig(withHub())).hub).toEqual({ url: 'wss://hub', token: undefined, enrolToken: undefined, ca: undefined });
    const file = join(folder, 'comes-later');
    expect((await loadAgentConfig(withHub({ FSO_ENROLL_TOKEN_FILE: file }))).hub).toMatchObject({ enrolTokenFile: file });
    const problem = async (change: Record<string, string>): Promise<string> => (await problemsOf(withHub(change))).join('\n');
    expect(await problem({ FSO_ENROLL_TOKEN: tokenOf('eu-1') })).toBe(
      'FSO_ENROLL_TOKEN: is for the cluster eu-1, and FSO_CLUSTER is eu (expected: One-time token to enrol with, from "fso clusters token")',
    );
    expect(await problem({ FSO_ENROLL_TOKEN: tokenOf('eu'), FSO_ENROLL_TOKEN_FILE: file })).toMatch(/^FSO_ENROLL_TOKEN: only one/);
    expect(await problem({ FSO_ENROLL_TOKEN: 'secret' })).toMatch(/^FSO_ENROLL_TOKEN: must be a token(?!.*secret)/);
    expect(await problem({ FSO_ENROLL_TOKEN: tokenOf('eu'), FSO_HUB_TOKEN: 'static' })).toMatch(/^FSO_ENROLL_TOKEN: is unused/);
    expect(await problem({ FSO_ENROLL_TOKEN: tokenOf('eu'), FSO_HUB_URL: 'ws://127.0.0.1:8443' })).toMatch(/^FSO_HUB_URL: .*needs wss/);
  });

  it('describes every setting', () => {
    expect(AGENT_SETTINGS.filter(({ description }) => description === '')).toEqual([]);
    expect(AGENT_SETTINGS.filter(({ isNeeded }) => isNeeded).map(({ name }) => name)).toEqual(['FSO_CLUSTER']);
  });
});
