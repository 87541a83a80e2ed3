import type { RoleGrant } from '@fso/shared/api';
import { compileCluster } from '@fso/shared/compile';
import { decodeFiles, type SourceFile } from '@fso/shared/decode';
import { describe, expect, it } from 'vitest';
import { clusterFile, policyFile, scopeFile } from '../../test/harness/policy-files.ts';
import { type Compared, type Comparison, compare } from './compare.ts';

const NOW = Date.parse('2026-06-01T00:00:00Z');
type Files = Readonly<Record<string, string>>;

const FLEET: Files = {
  'clusters/eu.yaml': clusterFile('eu', ['eu-west-1', 'eu-central-1']),
  'clusters/us.yaml': clusterFile('us', ['us-east-1']),
  'policies/finance.yaml': policyFile('finance', ['eu-west-1', 'eu-central-1']),
  'policies/secret.yaml': policyFile('secret', ['eu-west-1']),
};
const setOf = (files: Files) => {
  const decoded = decodeFiles(Object.entries(files).map(([path, text]): SourceFile => ({ path, text })));
  if (!decoded.ok) throw new Error(JSON.stringify(decoded.problems));
  return decoded.set;
};
const BEFORE = setOf(FLEET);
const bytesOf = (request: unknown) => Uint8Array.from(Buffer.from(typeof request === 'string' ? request : JSON.stringify(request)));
const run = (request: unknown, policies?: RoleGrant['policies'], more: Partial<RoleGrant> = {}): Compared =>
  compare({
    body: bytesOf(request),
    before: BEFORE,
    nowMs: NOW,
    grants:
      policies === undefined && more.clusters === undefined ? undefined : [{ role: 'viewer', ...(policies && { policies }), ...more }],
  });
const compared = (...args: Parameters<typeof run>): Comparison => {
  const result = run(...args);
  if (!result.ok) throw new Error(result.detail);
  return result;
};
/** The clusters that are asked, with the names of the policies of the question. */
const asked = ({ questions }: Comparison) =>
  questions.map(({ clusters, text }) => {
    const { put, removed } = JSON.parse(text) as { put: { name: string }[]; removed: string[] };
    return [clusters.join(), put.map(({ name }) => name), removed];
  });
const targeting = (namespace: string, name: string): string =>
  policyFile(name).replace(`targetNamespace: ${name}`, `targetNamespace: ${namespace}`);
const tight: Files = { ...FLEET, 'policies/finance.yaml': policyFile('finance', ['eu-west-1']) };

describe('a comparison', () => {
  it('asks the clusters whose rules change for the compiled policies, from the list of the commit in force', () => {
    const local: Files = { ...tight, 'policies/new.yaml': `${policyFile('new')}  placement: { clusterNames: [eu] }\n` };
    const { 'policies/secret.yaml': _gone, ...files } = local;
    const result = compared({ files });
    expect(asked(result)).toEqual([
      ['eu', ['finance', 'new'], ['secret']],
      ['us', ['finance'], ['secret']],
    ]);
    const [question] = result.questions;
    expect(JSON.parse(question?.text ?? '')).toMatchObject({ list: compileCluster(BEFORE, 'eu').digest, at: null, withoutRegions: [] });
    expect(question?.names).toBeNull();
    expect(result.effects.effects.map(({ verdict }) => verdict).sort()).toEqual(['appears', 'disappears', 'tightened']);
  });

  it('puts a patch onto the commit in force, and removes nothing', () => {
    const files = { 'policies/any/file.yaml': `${policyFile('finance', ['eu-west-1'])}---\n${policyFile('new')}` };
    expect(asked(compared({ patch: true, files }))).toEqual([['eu,us', ['finance', 'new'], []]]);
    expect(asked(compared({ patch: false, files: { ...FLEET, ...files, 'policies/finance.yaml': '' } }))).toEqual([
      ['eu,us', ['finance', 'new'], []],
    ]);
  });

  it.each([
    ['other documents', clusterFile('eu', ['eu-west-1']), 'only a SovereignPolicy can be put onto a commit, is a ManagedCluster'],
    ['no document', '# nothing\n', 'the files have no policy'],
    [
      'a group that the commit does not have',
      policyFile('finance', ['group:moon']),
      expect.stringContaining('there is no RegionGroup moon'),
    ],
    [
      'a cluster that the commit does not have',
      `${policyFile('new')}  placement: { clusterNames: [moon] }\n`,
      'there is no ManagedCluster moon',
    ],
  ])('refuses a patch of %s', (_what, text, reason) => {
    const path = text.includes('ManagedCluster') ? 'clusters/eu.yaml' : 'policies/new.yaml';
    expect(run({ patch: true, files: { [path]: text } })).toMatchObject({ ok: false, problems: [{ reason }] });
  });

  it('asks no cluster where no rule changes, though the files do', () => {
    const files = { ...FLEET, 'policies/finance.yaml': `${FLEET['policies/finance.yaml']}# a comment\n` };
    expect(compared({ files })).toMatchObject({ effects: { effects: [] }, questions: [] });
  });

  it('asks what is lost with a region, and at a time; not a cluster that is lost itself, or comes with the change', () => {
    const lost = compared({ files: FLEET, withoutRegions: ['eu-central-1'], at: '2027-01-01T00:00:00Z' });
    expect(asked(lost)).toEqual([['eu', [], []]]);
    expect(JSON.parse(lost.questions[0]?.text ?? '')).toMatchObject({ at: '2027-01-01T00:00:00Z', withoutRegions: ['eu-central-1'] });
    const without = compared({ files: FLEET, withoutClusters: ['eu'] });
    expect([without.effects.effects.length > 0, without.questions]).toEqual([true, []]);
    const more = compared({ files: { ...FLEET, 'clusters/ap.yaml': clusterFile('ap', ['eu-west-1']) } });
    expect([more.questions, [...more.notAsked], more.effects.effects.map(({ clusters }) => clusters)]).toEqual([[], [], [['ap'], ['ap']]]);
  });

  it('names clusters for which a question has too many policies', () => {
    const many = Object.fromEntries(
      Array.from({ length: 1_001 }, (_, at) => [`policies/p${at}.yaml`, policyFile(`p${at}`, ['eu-west-1'])]),
    );
    const result = compared({ files: { ...FLEET, ...many } });
    expect([result.questions, [...result.notAsked]]).toEqual([
      [],
      [
        ['eu', 'TooLarge'],
        ['us', 'TooLarge'],
      ],
    ]);
  });

  it.each([
    ['no JSON', '{"files":', 'bad-request', 'not JSON'],
    ['bytes that are no UTF-8', Buffer.from([0xff]).toString('latin1') && '\ud800', 'bad-request', 'not JSON'],
    ['another shape', { files: [] }, 'bad-request', 'body files'],
    ['a field too many', { files: {}, ref: 'main' }, 'bad-request', 'ref'],
    ['a deep value', `{"files":${'['.repeat(100)}`, 'too-large', 'nested'],
    ['very many files', { files: Object.fromEntries(Array.from({ length: 40_000 }, (_, at) => [at, ''])) }, 'too-large', 'keys'],
    ['very large files', { files: { 'policies/a.yaml': 'x'.repeat(9 * 1024 * 1024) } }, 'too-large', 'more than the 8388608 of a commit'],
    ['no policies', { files: { 'README.md': 'x' } }, 'bad-request', 'no policies and no clusters'],
    ['an unknown cluster', { files: FLEET, clusters: ['moon'] }, 'bad-request', 'clusters: there is no moon'],
    ['an unknown region', { files: FLEET, withoutRegions: ['moon'] }, 'bad-request', 'there is no moon'],
  ])('refuses %s', (_what, request, code, detail) => {
    expect(run(request)).toMatchObject({
      ok: false,
      code,
      detail: expect.stringContaining(detail),
      digest: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
  });

  it('refuses bytes that are no text', () => {
    const body = Uint8Array.from(Buffer.concat([Buffer.from('{"files":{"'), Buffer.from([0xff]), Buffer.from('":""}}')]));
    expect(compare({ body, before: BEFORE, nowMs: NOW, grants: undefined })).toMatchObject({ ok: false, code: 'bad-request' });
  });

  it('names the problems of files by their place', () => {
    const files = { ...FLEET, 'policies/bad.yaml': policyFile('bad', ['eu-west-1']).replace('allowedRegions', 'alowedRegions') };
    expect(run({ files })).toMatchObject({ ok: false, problems: [{ path: 'policies/bad.yaml', line: expect.any(Number) }, {}] });
  });
});

describe('a comparison for a caller who sees a part', () => {
  const FINANCE = { targetNamespaces: ['finance'] };

  it('has no part in what is outside, also where the files change it', () => {
    const files = {
      ...tight,
      'policies/secret.yaml': policyFile('secret', ['eu-central-1']),
      'policies/other.yaml': policyFile('other', ['eu-west-1']),
    };
    const result = compared({ files }, FINANCE);
    expect(JSON.stringify(result)).not.toMatch(/secret|other/);
    expect(result.effects.lookedAt).toMatchObject({ clusters: 2, policies: 1 });
    expect(asked(result)).toEqual([['eu,us', ['finance'], []]]);
    expect(result.questions[0]?.names).toEqual(new Map([['finance', 'finance']]));
  });

  it('has no cluster outside, also where the files register it in the scope', () => {
    const files = { ...tight, 'clusters/us.yaml': clusterFile('us', ['eu-west-1']) };
    const result = compared({ files }, undefined, { clusters: { clusterNames: ['eu'] } });
    expect(asked(result)).toEqual([['eu', ['finance'], []]]);
    expect(result.questions[0]?.names).toBeNull();
    expect(JSON.stringify(result)).not.toMatch(/"us"/);
    for (const name of ['us', 'moon'])
      expect(run({ files, clusters: [name] }, undefined, { clusters: { clusterNames: ['eu'] } })).toMatchObject({
        ok: false,
        detail: `clusters: there is no ${name}`,
      });
  });

  it('does not show whether a name that it does not see is taken', () => {
    const files = (name: string) => ({ ...FLEET, [`policies/${name}.yaml`]: targeting('finance', name) });
    const ask = (name: string) => {
      const { questions, notAsked, effects } = compared({ files: files(name) }, FINANCE);
      return JSON.stringify([questions.map(({ clusters, text }) => [clusters, text]), [...notAsked], effects]);
    };
    const { questions } = compared({ files: files('secret') }, FINANCE);
    expect(asked(compared({ files: files('secret') }, FINANCE))).toEqual([['eu,us', [expect.stringMatching(/^plan-[0-9a-f]{32}$/)], []]]);
    expect([...(questions[0]?.names?.values() ?? [])]).toEqual(['finance', 'secret']);
    const alias = /plan-[0-9a-f]{32}/g;
    expect(ask('secret').replaceAll(alias, 'x').replaceAll('secret', 'x')).toBe(
      ask('unheard').replaceAll(alias, 'x').replaceAll('unheard', 'x'),
    );
  });

  it('puts a patch onto what it sees: the rest reads as if it were not there', () => {
    const patch = (name: string, more = '') => ({ patch: true, files: { 'policies/x.yaml': targeting('finance', name) + more } });
    const answer = (name: string) => {
      const { questions, notAsked, effects } = compared(patch(name), FINANCE);
      return JSON.stringify([questions.map(({ clusters, text }) => [clusters, text]), [...notAsked], effects])
        .replaceAll(/plan-[0-9a-f]{32}/g, 'x')
        .replaceAll(name, 'x');
    };
    expect(answer('secret')).toBe(answer('unheard'));
    const placed = (cluster: string) =>
      run(patch('new', `  placement: { clusterNames: [${cluster}] }\n`), undefined, { clusters: { clusterNames: ['eu'] } });
    for (const name of ['us', 'moon'])
      expect(placed(name)).toMatchObject({ ok: false, problems: [{ reason: `there is no ManagedCluster ${name}` }] });
    expect(placed('eu')).toMatchObject({ ok: true });
  });

  it('refers to groups of policies that it sees alone', () => {
    const group = (name: string) =>
      `apiVersion: compliance.federated.io/v1\nkind: RegionGroup\nmetadata: {name: ${name}}\nspec: {regions: [eu-west-1]}\n`;
    const before = setOf({
      ...FLEET,
      'regions/own.yaml': group('own'),
      'regions/hidden.yaml': group('hidden'),
      'policies/finance.yaml': policyFile('finance', ['group:own']),
      'policies/secret.yaml': policyFile('secret', ['group:hidden']),
    });
    const put = (name: string) =>
      compare({
        body: bytesOf({ patch: true, files: { 'policies/finance.yaml': policyFile('finance', [`group:${name}`, 'eu-central-1']) } }),
        ...{ before, nowMs: NOW, grants: [{ role: 'viewer', policies: FINANCE }] },
      });
    expect(put('own')).toMatchObject({ ok: true });
    const refused = { ...put('hidden'), digest: '' };
    expect(refused).toMatchObject({ ok: false });
    expect(JSON.stringify({ ...put('moon'), digest: '' }).replaceAll('moon', 'x')).toBe(JSON.stringify(refused).replaceAll('hidden', 'x'));
  });

  it('knows the scopes of the folders of policies that it sees alone', () => {
    const before = setOf({
      ...FLEET,
      'policies/own/scope.yaml': scopeFile('own', 'clusterNames: [eu]'),
      'policies/own/ledger.yaml': targeting('finance', 'ledger'),
      'policies/hidden/scope.yaml': scopeFile('hidden', 'clusterNames: [eu]'),
      'policies/hidden/other.yaml': policyFile('other'),
    });
    const put = (folder: string, placement: string) => {
      const files = { [`policies/${folder}/new.yaml`]: `${targeting('finance', 'new')}${placement}` };
      const input = { before, nowMs: NOW, grants: [{ role: 'viewer' as const, policies: FINANCE }] };
      const result = compare({ body: bytesOf({ patch: true, files }), ...input });
      return JSON.stringify({ ...result, digest: '', change: '', after: '' }).replaceAll(folder, 'x');
    };
    const [everywhere, us] = ['', '  placement: { clusterNames: [us] }\n'];
    for (const placement of [everywhere, us]) expect(put('hidden', placement)).toBe(put('unheard', placement));
    expect(put('own', us)).toContain('cluster us is outside of the scope in policies/x/scope.yaml');
    expect(put('own', everywhere)).not.toBe(put('unheard', everywhere));
  });

  it('learns nothing of policies outside by the bound on documents', () => {
    const [finance, secret] = BEFORE.policies;
    if (finance === undefined || secret === undefined) throw new Error('two policies are there');
    const { metadata } = secret.document;
    const many = Array.from({ length: 20_000 }, (_, at) => ({
      ...secret,
      document: { ...secret.document, metadata: { ...metadata, name: `secret-${at}` } },
    }));
    const input = { before: { ...BEFORE, policies: [finance, ...many] }, nowMs: NOW };
    const body = () => bytesOf({ patch: true, files: { 'policies/new.yaml': targeting('finance', 'new') } });
    expect(compare({ ...input, body: body(), grants: [{ role: 'viewer', policies: FINANCE }] })).toMatchObject({ ok: true });
    expect(compare({ ...input, body: body(), grants: undefined })).toMatchObject({
      problems: [{ reason: 'the repository has 20002 policy documents, the limit is 20000' }],
    });
  });

  it('counts nothing in namespaces outside, also under a name inside', () => {
    const files = { ...FLEET, 'policies/finance.yaml': targeting('secret', 'finance') };
    const result = compared({ files }, { policyNames: ['finance'] });
    expect([result.questions, [...result.notAsked]]).toEqual([
      [],
      [
        ['eu', 'OutOfScope'],
        ['us', 'OutOfScope'],
      ],
    ]);
  });

  it.each([
    ['a namespace that it leaves out', 'secret', undefined, false],
    ['a glob that holds one', 'se*', undefined, false],
    ['itself without what it leaves out', '*', '[finance]', false],
    ['a namespace beside', 'finance', undefined, true],
    ['itself', '*', '[secret, finance]', true],
    ['itself with wider exclusions', '*', '["se*"]', true],
  ])('counts in namespaces of a policy that it sees, and not in those that this one leaves out: %s', (_what, target, excluded, isAsked) => {
    const all = (namespace: string, exclusions: string | undefined) =>
      targeting(`"${namespace}"`, 'all') + (exclusions === undefined ? '' : `  excludedNamespaces: ${exclusions}\n`);
    const scope = { policyNames: ['all', 'mine'] };
    const before = setOf({ ...FLEET, 'policies/all.yaml': all('*', '[secret]') });
    const mine = all(target, excluded).replace('name: all', 'name: mine').replace('eu-west-1', 'eu-central-1');
    const files = { ...FLEET, 'policies/all.yaml': all('*', '[secret]'), 'policies/mine.yaml': mine };
    const result = compare({ body: bytesOf({ files }), before, nowMs: NOW, grants: [{ role: 'viewer', policies: scope }] });
    if (!result.ok) throw new Error(JSON.stringify(result));
    expect([result.questions.length, [...result.notAsked.values()]]).toEqual(isAsked ? [1, []] : [0, ['OutOfScope', 'OutOfScope']]);
  });

  it('asks nothing that concerns the policies of others too', () => {
    const result = compared({ files: FLEET, withoutRegions: ['eu-central-1'] }, FINANCE);
    expect([result.questions, [...result.notAsked]]).toEqual([[], [['eu', 'OutOfScope']]]);
  });
});
