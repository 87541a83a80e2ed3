import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FILES } from '../serve/testing/fleet.ts';
import { afterMoves, planMoves } from './commands/policy-files/registrations.ts';
import { runFso } from './testing/run-fso.ts';

let root: string;
const put = (path: string, content: string | Buffer): void => {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), content);
};
const policy = (name: string, spec: string): string =>
  `apiVersion: compliance.federated.io/v1\nkind: SovereignPolicy\nmetadata: {name: ${name}}\nspec: ${spec}\n`;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'fso-validate-'));
  for (const { path, text } of FILES) put(path, text);
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

describe('fso validate', () => {
  it('counts the content of a valid folder and the policies of each cluster', async () => {
    put('README.md', 'not policy');
    expect(await runFso(['validate', root])).toEqual({
      code: 0,
      err: '',
      out: `ok: 2 policies, 2 clusters, 1 region group, no rollout strategy

CLUSTER  REGIONS                 POLICIES
eu       eu-west-1,eu-central-1  2
us       us-east-1               1
`,
    });
  });

  it('shows the clusters of each wave, and warns of one that selects none', async () => {
    const waves =
      '[{name: canary, clusterSelector: {matchLabels: {env: prod}}}, {name: typo, clusterSelector: {matchLabels: {evn: prod}}}]';
    put(
      'rollout.yaml',
      `apiVersion: compliance.federated.io/v1\nkind: RolloutStrategy\nmetadata: {name: careful}\nspec: {waves: ${waves}}\n`,
    );
    const { code, out } = await runFso(['validate', root]);
    expect([code, out]).toEqual([0, expect.stringMatching(/WAVE +CLUSTERS\ncanary +eu\ntypo +-\n\(others\) +us\n/)]);
    expect(out).toContain('rollout.yaml:1:1: warning WaveEmpty: wave typo selects no cluster');
  });

  it('answers in JSON too', async () => {
    const { code, out } = await runFso(['validate', root, '-o', 'json']);
    expect([code, JSON.parse(out).clusters[0]]).toEqual([0, { name: 'eu', regions: ['eu-west-1', 'eu-central-1'], policies: 2 }]);
  });

  it.each([
    ['broken YAML', 'spec: [', /^policies\/bad\.yaml:\d+:\d+: /m],
    ['an unknown field', policy('bad', '{targetNamespace: x, allowedRegions: [a], alowed: 1}'), /^policies\/bad\.yaml:4:\d+: .*alowed/m],
    ['a duplicate', policy('finance', '{targetNamespace: x, allowedRegions: [a]}'), /^policies\/\w+\.yaml:\d+:\d+: .*finance/m],
    ['an unknown group', policy('bad', "{targetNamespace: x, allowedRegions: ['group:moon']}"), /^policies\/bad\.yaml:4:\d+: .*moon/m],
    ['an alias bomb', `a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n`, /^policies\/bad\.yaml:\d+:\d+: .*alias/im],
    ['an oversized file', `# ${'x'.repeat(300 * 1024)}\n`, /^policies\/bad\.yaml:1:1: .*bytes/m],
    ['a huge file', 'x'.repeat(5 * 1024 * 1024), /^policies\/bad\.yaml:1:1: .*bytes/m],
    ['bytes that are no text', Buffer.from([0xff, 0xfe, 0x00]), /^policies\/bad\.yaml:1:1: the file is not UTF-8 text$/m],
  ])('refuses %s with its place', async (_what, content, expected) => {
    put('policies/bad.yaml', content);
    const { code, out, err } = await runFso(['validate', root]);
    expect(out).toMatch(expected);
    expect([code, err]).toEqual([1, expect.stringMatching(/^\d+ problems?\n$/)]);
  });

  it('refuses signers that would leave no signer', async () => {
    const key = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINdamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea';
    put('signers/allowed_signers', `ana@example.org ${key}\n`);
    expect((await runFso(['validate', root])).code).toBe(0);
    put('signers/allowed_signers', `# none\n`);
    expect(await runFso(['validate', root])).toMatchObject({
      code: 1,
      out: 'signers:1:1: the signers hold no key that may sign commits\n',
    });
    put('signers/allowed_signers', `ana@example.org ${key}\nbob ssh-ed25519 AAAA\n`);
    expect((await runFso(['validate', root])).out).toMatch(/^signers:1:1: allowed signers, line 2: /);
  });

  it('refuses links, to files and to folders', async () => {
    symlinkSync('/etc/hostname', join(root, 'policies/link.yaml'));
    symlinkSync('/etc', join(root, 'policies/folder'));
    const { code, out } = await runFso(['validate', root]);
    expect([code, out]).toEqual([
      1,
      'policies/folder:1:1: symbolic links are refused\npolicies/link.yaml:1:1: symbolic links are refused\n',
    ]);
  });

  it('refuses folders that agents would refuse', async () => {
    for (const path of ['policies/a/scope.yaml/x.md', 'clusters/4D/x.md', 'clusters/eu.yaml.yaml/x.md']) put(path, 'x');
    expect((await runFso(['validate', root])).out.split('\n').slice(0, 3)).toEqual([
      'clusters/4D:1:1: must be in lower case',
      'clusters/eu.yaml.yaml:1:1: is a folder with the name of a file',
      'policies/a/scope.yaml:1:1: a scope is one plain file with the name scope.yaml',
    ]);
  });

  it('refuses folders of policies that differ in case only', async () => {
    put('policies/Team/a.md', 'x');
    put('policies/team/a.md', 'x');
    expect((await runFso(['validate', root])).out).toBe('policies/team:1:1: is there in another case too\n');
  });

  it('reports a folder without policies', async () => {
    const { code, err } = await runFso(['validate', join(root, 'policies')]);
    expect([code, err]).toEqual([2, expect.stringContaining('no policy files in ')]);
  });

  it('reports a folder that cannot be read', async () => {
    const missing = await runFso(['validate', join(root, 'nowhere')]);
    expect([missing.code, missing.err]).toEqual([2, expect.stringContaining('ENOENT')]);
    const file = await runFso(['validate', join(root, 'policies/hr.yaml')]);
    expect([file.code, file.err]).toEqual([2, expect.stringContaining('ENOTDIR')]);
  });

  describe('with a commit to compare with', () => {
    const git = (...args: string[]): void => {
      const who = ['-c', 'user.name=Ana', '-c', 'user.email=ana@example.org'];
      execFileSync('git', ['-C', root, ...who, ...args], { stdio: 'pipe' });
    };
    beforeEach(() => {
      git('init', '--quiet');
      git('add', '--all');
      git('commit', '--quiet', '--message', 'base');
    });

    it('lists what clusters gain and lose since then, those of a kind in one row', async () => {
      const none = await runFso(['validate', root, '--base', 'HEAD']);
      expect([none.code, none.out]).toEqual([0, expect.stringContaining('\nNo cluster gets anything else than at HEAD.\n')]);
      put('policies/new.yaml', policy('new', '{targetNamespace: new, allowedRegions: [eu-west-1]}'));
      put('clusters/eu2.yaml', FILES.find(({ path }) => path === 'clusters/eu.yaml')?.text.replace('name: eu', 'name: eu2') ?? '');
      put(
        'policies/scope.yaml',
        'apiVersion: compliance.federated.io/v1\nkind: PolicyScope\nmetadata: {name: all}\nspec: {placement: {clusterSelector: {matchLabels: {env: prod}}}}\n',
      );
      const { code, out } = await runFso(['validate', root, '--base', 'HEAD']);
      expect(code).toBe(0);
      expect(out).toContain('ok: 3 policies, 1 scope, 3 clusters');
      expect(out.split('Since HEAD:\n\n')[1]).toBe(`CLUSTERS  GAIN         GET CHANGED  LOSE
eu        new          -            -
eu2       finance,new  -            -
us        -            -            finance
`);
      const json = await runFso(['validate', root, '--base', 'HEAD', '-o', 'json']);
      expect(JSON.parse(json.out).changes).toContainEqual({ clusters: ['us'], gains: [], changes: [], loses: ['finance'] });
    });

    it.each([
      ['nowhere', 'nowhere'],
      ['--output=x', 'output=x'],
    ])('reports that git cannot read %s', async (base, expected) => {
      const { code, err } = await runFso(['validate', root, `--base=${base}`]);
      expect([code, err]).toEqual([2, expect.stringMatching(new RegExp(`git cannot read .*${expected}`, 's'))]);
    });

    it('compares with a base whose registrations stand elsewhere, and with policies that only moved', async () => {
      const eu = FILES.find(({ path }) => path === 'clusters/eu.yaml')?.text ?? '';
      rmSync(join(root, 'clusters/eu.yaml'));
      put('clusters/all/europe.yaml', eu);
      git('add', '--all');
      git('commit', '--quiet', '--message', 'before');
      const { out, code } = await runFso(['validate', root, '--fix', '--base', 'HEAD']);
      expect([code, out]).toEqual([0, expect.stringContaining('No cluster gets anything else than at HEAD.')]);
      put('policies/deep/hr.yaml', FILES.find(({ path }) => path === 'policies/hr.yaml')?.text ?? '');
      rmSync(join(root, 'policies/hr.yaml'));
      expect((await runFso(['validate', root, '--base', 'HEAD'])).out).toContain('No cluster gets anything else');
    });

    it('reports the problems of an invalid base', async () => {
      put('policies/bad.yaml', 'kind: Other\n');
      git('add', '--all');
      git('commit', '--quiet', '--message', 'bad');
      rmSync(join(root, 'policies/bad.yaml'));
      const { code, err } = await runFso(['validate', root, '--base', 'HEAD']);
      expect([code, err]).toEqual([2, expect.stringContaining('the base HEAD is not valid itself: policies/bad.yaml:1:7: kind must be')]);
    });
  });

  describe('with --fix', () => {
    const registration = (name: string): string =>
      `# the cluster ${name}\napiVersion: compliance.federated.io/v1\nkind: ManagedCluster\nmetadata: { name: ${name} }\nspec: { regions: [eu-west-1] }\n`;
    const text = (path: string): string => readFileSync(join(root, path), 'utf8');

    it('gives each registration the file in which its agent looks for it, and loses no comment', async () => {
      put('clusters/all.yaml', `${registration('a')}---\n${registration('b')}`);
      put('clusters/deep/c.yaml', registration('c'));
      expect((await runFso(['validate', root])).code).toBe(1);
      const { code, out, err } = await runFso(['validate', root, '--fix']);
      expect(code).toBe(0);
      expect(out).toContain('5 clusters');
      expect(err).toBe(
        'cluster a: clusters/all.yaml -> clusters/a.yaml\ncluster b: clusters/all.yaml -> clusters/b.yaml\ncluster c: clusters/deep/c.yaml -> clusters/c.yaml\n',
      );
      expect(['a', 'b', 'c'].map((name) => text(`clusters/${name}.yaml`))).toEqual(['a', 'b', 'c'].map(registration));
      expect([existsSync(join(root, 'clusters/all.yaml')), existsSync(join(root, 'clusters/deep/c.yaml'))]).toEqual([false, false]);
      expect((await runFso(['validate', root, '--fix'])).err).toBe('');
    });

    it('leaves to people what it cannot sort, and overwrites nothing', async () => {
      put('clusters/all.yaml', `${registration('eu')}---\n${policy('p', '{targetNamespace: p, allowedRegions: [a]}')}`);
      put('clusters/twice.yaml', `${registration('a')}---\n${registration('a')}`);
      const { code, err } = await runFso(['validate', root, '--fix']);
      expect([code, err]).toEqual([1, expect.not.stringContaining('->')]);
      const before = text('clusters/twice.yaml');
      put('clusters/three.yaml', `${registration('b')}---\nkind: ManagedCluster\nmetadata: { nam: c }\n`);
      put('clusters/notes.yaml', `${registration('d')}---\n# what else is to say\n`);
      put('clusters/out.yaml', registration('../../out'));
      await runFso(['validate', root, '--fix']);
      expect([
        text('clusters/twice.yaml'),
        existsSync(join(root, 'clusters/three.yaml')),
        existsSync(join(root, 'clusters/notes.yaml')),
      ]).toEqual([before, true, true]);
      expect(existsSync(join(root, 'out.yaml'))).toBe(false);
      put('clusters/x.yml', registration('x'));
      put('clusters/x.yaml', '# mine\n');
      expect(await runFso(['validate', root, '--fix'])).toMatchObject({
        code: 2,
        err: expect.stringContaining('clusters/x.yaml is there already'),
      });
      expect([text('clusters/x.yaml'), text('clusters/x.yml')]).toEqual(['# mine\n', registration('x')]);
    });

    it('keeps in a file what belongs there, and lets two files change places', async () => {
      put('clusters/a.yaml', `${registration('a')}---\n${registration('b')}`);
      put('clusters/c.yaml', registration('d'));
      put('clusters/d.yaml', registration('c'));
      expect((await runFso(['validate', root, '--fix'])).code).toBe(0);
      expect(['a', 'b', 'c', 'd'].map((name) => text(`clusters/${name}.yaml`))).toEqual(['a', 'b', 'c', 'd'].map(registration));
      expect(readdirSync(join(root, 'clusters')).sort()).toEqual(['a.yaml', 'b.yaml', 'c.yaml', 'd.yaml', 'eu.yaml', 'us.yaml']);
    });

    it('spreads more than a thousand over folders by their names', () => {
      const files = (count: number) =>
        Array.from({ length: count }, (_, n) => ({ path: `clusters/c${n}.yaml`, text: registration(`c${n}`) }));
      expect(planMoves(files(1000)).moved).toEqual([]);
      const moves = planMoves(files(1001));
      expect([moves.moved.length, moves.writes.size, moves.removes.length]).toEqual([1001, 1001, 1001]);
      expect(moves.moved[0]).toMatchObject({
        cluster: 'c0',
        from: 'clusters/c0.yaml',
        to: expect.stringMatching(/^clusters\/[0-9a-f]{2}\/c0.yaml$/),
      });
      expect(planMoves(afterMoves(files(1001), moves)).moved).toEqual([]);
    });
  });
});
