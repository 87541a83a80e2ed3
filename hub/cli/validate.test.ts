import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FILES } from '../serve/testing/fleet.ts';
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
  it('counts what a good folder holds and who gets it', async () => {
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

  it('refuses signers after whom nobody could sign', async () => {
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

  it('says when there is nothing to judge', async () => {
    const { code, err } = await runFso(['validate', join(root, 'policies')]);
    expect([code, err]).toEqual([2, expect.stringContaining('no policy files in ')]);
  });

  it('says when the folder cannot be read', async () => {
    const missing = await runFso(['validate', join(root, 'nowhere')]);
    expect([missing.code, missing.err]).toEqual([2, expect.stringContaining('ENOENT')]);
    const file = await runFso(['validate', join(root, 'policies/hr.yaml')]);
    expect([file.code, file.err]).toEqual([2, expect.stringContaining('ENOTDIR')]);
  });
});
