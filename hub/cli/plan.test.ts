import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Plan } from '@fso/shared/effects';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FILES } from '../serve/testing/fleet.ts';
import { runFso } from './testing/run-fso.ts';

let root: string;
const put = (path: string, content: string): void => {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), content);
};
const document = (kind: string, name: string, spec: string): string =>
  `apiVersion: compliance.federated.io/v1\nkind: ${kind}\nmetadata: {name: ${name}}\nspec: ${spec}\n`;
const policy = (name: string, spec: string): void => put(`policies/${name}.yaml`, document('SovereignPolicy', name, spec));
const git = (...args: string[]): void => {
  const who = ['-c', 'user.name=Ana', '-c', 'user.email=ana@example.org'];
  execFileSync('git', ['-C', root, ...who, ...args], { stdio: 'pipe' });
};
const commit = (message: string): void => {
  git('add', '--all');
  git('commit', '--quiet', '--message', message);
};
const plan = (...args: string[]) => runFso(['plan', '--dir', root, ...args]);
const planJson = async (...args: string[]) => {
  const { code, out, err } = await plan(...args, '-o', 'json');
  expect(err).toBe('');
  return { code, plan: Plan.parse(JSON.parse(out)) };
};

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'fso-plan-'));
  for (const { path, text } of FILES) put(path, text);
  git('init', '--quiet', '--initial-branch', 'main');
  commit('base');
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

describe('fso plan', () => {
  it('finds nothing where nothing changes', async () => {
    const { code, out, err } = await plan();
    expect([code, out]).toEqual([0, 'Nothing changes.\n']);
    expect(err).toContain('Looked at 2 clusters and 2 policies; every namespace that is not listed keeps its rules.\n');
    expect(err).toContain('No cluster was asked which pods run');
    expect(await plan('--offline')).toMatchObject({ code: 0, out });
  });

  it('lists what breaks first, with the failing part of a pod and the line that mends it', async () => {
    policy(
      'hr',
      '{targetNamespace: hr, allowedRegions: [eu-west-1, eu-central-1], enforcementAction: warn, placement: {clusterNames: [eu]}}',
    );
    policy('finance', '{targetNamespace: finance, allowedRegions: [eu-west-1]}');
    const { code, out } = await plan();
    expect(code).toBe(1);
    expect(out).toBe(`Breaks: 1 of 2 changes would refuse pods that could run before, or leave them pending.

CLUSTERS  NAMESPACE  ACTION  CHANGE     BEFORE                   AFTER                    A POD THAT SHOWS IT                                      FIX
eu, us    finance    deny    tightened  eu-central-1, eu-west-1  eu-west-1                refused: spec.nodeSelector allows region "eu-central-1"  set spec.nodeSelector["topology.kubernetes.io/region"] to one of eu-west-1
eu        hr         warn    loosened   eu-west-1                eu-central-1, eu-west-1  admitted: a pod with nodeSelector eu-central-1

`);
  });

  it('writes JSON as its schema has it', async () => {
    policy('all', '{targetNamespace: "*", allowedRegions: [eu-west-1], excludedNamespaces: ["*-dev"]}');
    const { code, plan: result } = await planJson('--cluster', 'eu');
    expect(code).toBe(1);
    expect(result).toMatchObject({
      result: 'Breaks',
      before: { source: 'main', revision: expect.stringMatching(/^[0-9a-f]{40}$/) },
      after: { source: root, revision: null },
      lookedAt: { clusters: 1, policies: 3 },
      notLookedAt: [],
      workloads: null,
    });
    expect(
      result.effects.map(({ clusters, namespaces, action, verdict }) => [
        clusters,
        namespaces.map(({ pattern }) => pattern),
        action,
        verdict,
      ]),
    ).toEqual([
      [['eu'], ['*', 'hr'], 'deny', 'appears'],
      [['eu'], ['finance'], 'deny', 'tightened'],
    ]);
  });

  it('compares refs of a bare repository without a checkout', async () => {
    git('switch', '--quiet', '--create', 'tighten');
    policy('finance', '{targetNamespace: finance, allowedRegions: [eu-west-1], enforcementAction: dryrun}');
    commit('change');
    const bare = `${root}-bare`;
    execFileSync('git', ['clone', '--quiet', '--bare', root, bare], { stdio: 'pipe' });
    const { code, out } = await runFso(['plan', '--dir', bare, '--ref', 'tighten', '-o', 'json']);
    rmSync(bare, { recursive: true, force: true });
    expect(code).toBe(0);
    expect(Plan.parse(JSON.parse(out)).effects.map(({ action, verdict, breaks }) => [action, verdict, breaks])).toEqual([
      ['deny', 'disappears', false],
      ['dryrun', 'appears', false],
    ]);
  });

  it('shows the waves of the commit before, and those that are skipped', async () => {
    const strategy =
      '{waves: [{name: canary, clusterSelector: {matchLabels: {env: prod}}}, {name: none, clusterSelector: {matchLabels: {a: b}}}]}';
    put('rollout.yaml', document('RolloutStrategy', 'careful', strategy));
    const first = await planJson('--offline');
    expect(first.plan.waves).toMatchObject({ from: 'NextCommit', waves: [{ name: 'canary', names: ['eu'] }, { isImplicit: true }] });
    expect((await plan()).err).toContain('The change brings the first RolloutStrategy: it goes to every cluster at once');
    commit('waves');
    policy('hr', '{targetNamespace: hr, allowedRegions: [eu-central-1], enforcementAction: warn, placement: {clusterNames: [eu]}}');
    const { out, err } = await plan();
    expect(out).toMatch(/^WAVE +CLUSTERS +WHAT CHANGES$\n^canary +eu +policies of 1 cluster$/m);
    expect(out).toMatch(/^\(others\): the last, of clusters in no wave +us +nothing: the wave is skipped$/m);
    expect(err).toContain('The change goes by the waves of the commit before, as if every wave had that.\n');
    const markdown = await plan('-o', 'markdown');
    expect(markdown.out).toContain('| wave | clusters | what changes |\n');
    expect((await planJson('--cluster', 'us')).plan.waves?.waves).toMatchObject([{ name: '(others)', isSkipped: true }]);
  });

  it('shows what expires', async () => {
    policy('finance', '{targetNamespace: finance, allowedRegions: [eu-west-1], expiryDate: "2099-06-27T00:00:00Z"}');
    commit('expiry');
    expect((await planJson('--ref', 'main', '--at', '2099-06-26')).plan.effects).toEqual([]);
    const { code, plan: result } = await planJson('--ref', 'main', '--at', '2099-06-27');
    expect([code, result.result, result.after.at]).toEqual([0, 'NothingBreaks', '2099-06-27T00:00:00.000Z']);
    const { out } = await plan('--ref', 'main', '--at', '2099-06-27');
    expect(out).toContain('Nothing breaks: 1 change. 1 would admit pods that deny refuses now.\n');
    expect(result.effects.map(({ clusters, verdict }) => [clusters, verdict])).toEqual([[['eu', 'us'], 'disappears']]);
  });

  it('shows what the loss of a region or cluster leaves without nodes, and where it may run instead', async () => {
    put('clusters/eu2.yaml', document('ManagedCluster', 'eu2', '{regions: [eu-west-1]}'));
    commit('more');
    const region = await plan('--without-region', 'eu-central-1');
    expect([region.code, region.out]).toEqual([
      1,
      expect.stringMatching(/^eu .*stays pending: a pod with nodeSelector eu-central-1; nodes are left in eu-west-1$/m),
    ]);
    expect(region.err).toContain('without 1 region eu-central-1');
    const lost = await planJson('--without-cluster', 'eu');
    expect(lost.code).toBe(1);
    expect(lost.plan.effects).toMatchObject([
      { clusters: ['eu'], namespaces: [{ pattern: 'finance' }], verdict: 'unchanged', usable: [], elsewhere: ['eu2'] },
    ]);
    const nowhere = await plan('--without-region', 'eu-central-1', '--without-region', 'eu-west-1');
    expect(nowhere.out).toContain('no nodes are left here, nor elsewhere');
  });

  it('names the problems of either side with their place', async () => {
    policy('bad', '{targetNamespace: x, allowedRegions: [a], alowed: 1}');
    const folder = await plan();
    expect([folder.code, folder.out]).toEqual([2, '']);
    expect(folder.err).toMatch(/is not valid, so there is nothing to compare:\npolicies\/bad\.yaml:4:\d+: .*alowed/);
    commit('bad');
    rmSync(join(root, 'policies/bad.yaml'));
    expect(await plan()).toMatchObject({ code: 2, err: expect.stringMatching(/main is not valid.*\npolicies\/bad\.yaml:4:/) });
  });

  it.each([
    ['an unknown base', ['--base', 'nowhere'], 'git cannot read nowhere'],
    ['an unknown ref', ['--ref', '--output=x'], 'git cannot read'],
    ['an unknown cluster', ['--cluster', 'moon'], '--cluster: there is no moon; there are: eu, us'],
    ['an unknown lost cluster', ['--without-cluster', 'moon'], '--without-cluster: there is no moon'],
    ['an unknown region', ['--without-region', 'moon'], 'there is no moon; there are: eu-central-1, eu-west-1, us-east-1'],
    ['a time that is none', ['--at', '2027-02-30'], 'Must be a time'],
  ])('refuses %s', async (_what, args, expected) => {
    expect(await plan(...args)).toMatchObject({ code: 2, out: '', err: expect.stringContaining(expected) });
  });

  it('refuses a folder without policies', async () => {
    const { code, err } = await plan('--dir', join(root, 'policies'));
    expect([code, err]).toEqual([2, expect.stringContaining('has no policies and no clusters')]);
  });

  it('does not call it fine where there is nothing to look at', async () => {
    for (const file of ['eu', 'us']) rmSync(join(root, `clusters/${file}.yaml`));
    rmSync(join(root, 'policies/hr.yaml'));
    commit('no clusters');
    expect(await plan()).toMatchObject({ code: 1, out: expect.stringContaining('Nothing was looked at') });
  });

  it('writes Markdown with the verdict first, in which names are nothing but text', async () => {
    git('branch', 'x`|<img/src=y>|@ana(b)#1');
    policy('finance', '{targetNamespace: finance, allowedRegions: [eu-west-1]}');
    const { out } = await plan('--base', 'x`|<img/src=y>|@ana(b)#1', '-o', 'markdown');
    const [mark, verdict, ...rest] = out.split('\n');
    expect([mark, verdict]).toEqual(['<!-- fso plan -->', expect.stringMatching(/^\*\*Breaks: 1 of 1 change .*\*\*$/)]);
    const outside = rest.join('\n').replaceAll(/`[^`\n]*`/g, '');
    expect(outside).not.toMatch(/[<@#[\]`\\]/);
    expect(rest[1]).toBe('| clusters | namespace | action | change | regions before | regions after | a pod that shows it | fix |');
    expect(rest[3]?.split('|').length).toBe(10);
  });

  it('keeps Markdown to what a comment may hold', async () => {
    const spec = (region: string): string =>
      Array.from({ length: 900 }, (_, index) =>
        document('SovereignPolicy', `p${index}`, `{targetNamespace: n${index}, allowedRegions: [${region}]}`),
      ).join('---\n');
    put('policies/many.yaml', spec('eu-west-1'));
    commit('many');
    put('policies/many.yaml', spec('us-east-1'));
    const { out } = await plan('-o', 'markdown');
    expect(out.length).toBeLessThanOrEqual(60_000);
    expect(out).toMatch(/\n\d+ more lines: `fso plan -o json` has all\.\n/);
    // Each in two clusters: what has nodes left differs.
    expect((await planJson()).plan.effects.length).toBe(1800);
  });
});
