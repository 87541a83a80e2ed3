import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SecretFile, secretText } from '@fso/shared/runtime';
import { describe, expect, it } from 'vitest';
import { openConfigBench } from './testing/config-harness.ts';

const { folder, base, load, problemsOf } = openConfigBench();

const OIDC = {
  FSO_OIDC_ISSUER: 'https://login.example.com/realms/main',
  FSO_OIDC_CLIENT_ID: 'fso',
  FSO_OIDC_ROLE_MAP: 'admin=governance-admins,viewer=*',
  FSO_PUBLIC_URL: 'https://fso.example.com',
};

describe('settings of the identity provider', () => {
  it('are read, the secret from a file', async () => {
    const secret = join(folder, 'client-secret');
    await writeFile(secret, 'client-secret-0123\n');
    const { access } = await load({ ...OIDC, FSO_OIDC_CLIENT_SECRET_FILE: secret, FSO_TRUSTED_PROXIES: '10.0.0.0/8, ::1' });
    expect(access).toEqual({
      oidc: {
        issuer: 'https://login.example.com/realms/main',
        clientId: 'fso',
        clientSecret: expect.any(SecretFile),
        scopes: 'openid profile email',
        rolesClaim: 'groups',
        roleMap: new Map([
          ['admin', ['governance-admins']],
          ['viewer', ['*']],
        ]),
        grants: [],
        audience: undefined,
      },
      publicUrl: 'https://fso.example.com',
      trustedProxies: ['10.0.0.0/8', '::1'],
    });
    expect(secretText(access?.oidc?.clientSecret ?? '')).toBe('client-secret-0123');
  });

  it('let other machines reach the hub without a static token', async () => {
    expect((await load({ ...OIDC, FSO_LISTEN: ':8080' })).listen.host).toBe('0.0.0.0');
  });

  it('are needed together', async () => {
    expect(await problemsOf(base({ FSO_OIDC_ISSUER: OIDC.FSO_OIDC_ISSUER }))).toEqual(
      ['FSO_OIDC_CLIENT_ID', 'FSO_PUBLIC_URL', 'FSO_OIDC_ROLE_MAP'].map((name) => `${name}: is not set, but needed with FSO_OIDC_ISSUER`),
    );
    expect(await problemsOf(base({ FSO_OIDC_CLIENT_ID: 'fso' }))).toEqual(['FSO_OIDC_CLIENT_ID: is set, but FSO_OIDC_ISSUER is not']);
  });

  it.each([
    ['FSO_OIDC_ISSUER', 'http://login.example.com', 'https://'],
    ['FSO_OIDC_ISSUER', 'https://user:pw@login.example.com', 'https://'],
    ['FSO_PUBLIC_URL', 'http://fso.example.com', 'must be https://host'],
    ['FSO_PUBLIC_URL', 'https://fso.example.com/fso', 'without a path'],
    ['FSO_OIDC_ROLE_MAP', 'admins=x', 'must be <role>=<value>'],
    ['FSO_OIDC_SCOPES', 'profile', 'must contain openid'],
    ['FSO_OIDC_SCOPES', 'openid  profile', 'separated by one space'],
    ['FSO_TRUSTED_PROXIES', '10.0.0.0/33', 'must be addresses or networks'],
    ['FSO_TRUSTED_PROXIES', 'proxy.example.com', 'must be addresses or networks'],
  ])('refuse %s=%s', async (name, value, reason) => {
    expect(await problemsOf(base({ ...OIDC, [name]: value }))).toEqual([expect.stringMatching(`^${name}: .*${reason}`)]);
  });

  const withRoles = async (text: string, change: Record<string, string | undefined> = {}) => {
    const path = join(folder, 'roles.yaml');
    await writeFile(path, text);
    return { ...OIDC, FSO_ROLES_FILE: path, ...change };
  };

  it('give roles for some of the clusters and policies by a file, with or without a map', async () => {
    const text = `grants:
  - groups: [eu-platform, '*']
    role: operator
    clusters: { clusterRegions: ['group:eu'], clusterSelector: { matchLabels: { env: prod } } }
    policies: { policyNames: [finance-*, team-a/*], targetNamespaces: ['*'] }
`;
    const { access } = await load(await withRoles(text, { FSO_OIDC_ROLE_MAP: undefined }));
    expect([access?.oidc?.roleMap, access?.oidc?.grants]).toEqual([
      new Map(),
      [
        {
          groups: ['eu-platform', '*'],
          role: 'operator',
          clusters: { clusterRegions: ['group:eu'], clusterSelector: { matchLabels: { env: 'prod' } } },
          policies: { policyNames: ['finance-*', 'team-a/*'], targetNamespaces: ['*'] },
        },
      ],
    ]);
  });

  it('accept the file in docs/operate/people-and-programs.md', async () => {
    const page = await readFile(join(import.meta.dirname, '../../docs/operate/people-and-programs.md'), 'utf8');
    const [, text = ''] = /```yaml\n(grants:[\s\S]*?)```/.exec(page) ?? [];
    expect((await load(await withRoles(text))).access?.oidc?.grants.map(({ groups }) => groups)).toEqual([
      ['eu-platform'],
      ['finance-auditors'],
    ]);
  });

  it.each([
    ['grants: []', ':1:9: grants must have at least 1 entries'],
    ['grants:\n  - groups: [a]\n', ':2:5: grants[0].role is required'],
    ['grants:\n  - {groups: [a], role: root}', ':2:25: grants[0].role must be one of viewer, operator, admin, is "root"'],
    ['grants:\n  - {groups: [a], role: viewer, cluster: {}}', ':2:33: unknown field grants[0].cluster, did you mean clusters?'],
    // One that says nothing is more likely a template that was not filled than meant.
    ['grants:\n  - {groups: [a], role: viewer, clusters: {}}', ':2:43: grants[0].clusters is not valid: must have clusterNames'],
    ['grants:\n  - {groups: [a], role: viewer, policies: {}}', ':2:43: grants[0].policies is not valid: must have policyNames'],
    [
      'grants:\n  - {groups: [a], role: viewer, clusters: {clusterSelector: {matchExpressions: [{key: env, operator: In}]}}}',
      'grants[0].clusters.clusterSelector.matchExpressions[0] needs values, the operator is In',
    ],
    ['grants: [', ':1:10: '],
    ['a: &x 1', 'anchors'],
    ['grants: []\n---\ngrants: []', 'the file has 2 documents, not one'],
  ])('name each problem of that file with its place: %j', async (text, problem) => {
    expect(await problemsOf(base(await withRoles(text)))).toEqual([expect.stringContaining(problem)]);
  });

  it('accept plain HTTP on this machine', async () => {
    const { access } = await load({ ...OIDC, FSO_OIDC_ISSUER: 'http://localhost:9000', FSO_PUBLIC_URL: 'http://127.0.0.1:8080' });
    expect(access?.oidc?.issuer).toBe('http://localhost:9000');
  });
});

describe('Git credentials', () => {
  it.each([
    [
      { FSO_GIT_USERNAME: 'bot', FSO_GIT_PASSWORD: 'p:w' },
      { username: 'bot', password: 'p:w' },
    ],
    [{ FSO_GIT_PASSWORD: 'pw' }, { username: 'git', password: 'pw' }],
    [
      { FSO_GIT_USERNAME: 'oauth2', FSO_GIT_TOKEN: 'glpat' },
      { username: 'oauth2', password: 'glpat' },
    ],
  ])('%j', async (change, credentials) => {
    expect((await load(change)).git).toMatchObject({ credentials, authCommand: undefined });
  });

  it.each([
    ['/opt/auth --app 7', ['/opt/auth', '--app', '7']],
    ['["/opt/my auth", "a b"]', ['/opt/my auth', 'a b']],
  ])('are read for a command: %s', async (text, argv) => {
    const { git } = await load({ FSO_GIT_AUTH_COMMAND: text, PATH: '/bin', FSO_API_TOKEN: 'static-token-0123456789' });
    expect(git.authCommand).toEqual({ argv, env: { PATH: '/bin' } });
  });

  it.each([
    [{ FSO_GIT_TOKEN: 't', FSO_GIT_PASSWORD: 'p' }, 'FSO_GIT_TOKEN, FSO_GIT_PASSWORD: only one'],
    [{ FSO_GIT_TOKEN: 't', FSO_GIT_AUTH_COMMAND: 'x' }, 'FSO_GIT_TOKEN, FSO_GIT_AUTH_COMMAND: only one'],
    [{ FSO_GIT_USERNAME: 'bot' }, 'FSO_GIT_USERNAME: is set, but neither'],
    [{ FSO_GIT_USERNAME: 'b:t', FSO_GIT_PASSWORD: 'p' }, 'FSO_GIT_USERNAME: must have no colon'],
    [{ FSO_GIT_USERNAME: 'bot', FSO_GIT_AUTH_COMMAND: 'x' }, 'FSO_GIT_USERNAME: is set, but FSO_GIT_AUTH_COMMAND'],
    [{ FSO_GIT_AUTH_COMMAND: '["x", 1]' }, 'FSO_GIT_AUTH_COMMAND: must be a program'],
    [{ FSO_GIT_AUTH_COMMAND: '[]' }, 'FSO_GIT_AUTH_COMMAND: must be a program'],
    [{ FSO_GIT_URL: 'https://a:b@git.example.com/p.git', FSO_GIT_TOKEN: 't' }, 'FSO_GIT_URL: has a password'],
  ])('%j are refused', async (change, problem) => {
    expect(await problemsOf(base(change))).toEqual([expect.stringContaining(problem)]);
  });
});
