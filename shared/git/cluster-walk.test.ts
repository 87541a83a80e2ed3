import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compileCluster } from '../compile/index.ts';
import { createDecoder, decodeFiles, registrationPaths, type SourceFile } from '../decode/index.ts';
import { clusterFile, policyFile, scopeFile } from '../decode/testing/decoded.ts';
import { ObjectBox } from '../trust/testing/commits.ts';
import { asFiles, below, CLUSTERS, filesOf, ODD, repositories } from './testing/repositories.ts';
import { filesOfRevision } from './walk.ts';

/** Compiles one cluster from its part of a commit alone, and returns that part too. */
const compiledAlone = async (box: ObjectBox, commit: string, cluster: string) => {
  const part = await filesOfRevision(commit, box.get, { cluster });
  const decoded = createDecoder({}, 'cluster')(part.ok ? part.files : []);
  if (!part.ok || !decoded.ok) throw new Error(JSON.stringify([part, decoded]));
  return { part, compiled: compileCluster(decoded.set, cluster) };
};

describe('what concerns one cluster of a commit', () => {
  it('compiles for it to the same as the whole commit, from the named objects alone', async () => {
    let taken = 0;
    const isAlikeForAll = async (commit: string, files: readonly SourceFile[]): Promise<void> => {
      const whole = await filesOfRevision(commit, box.get);
      const decoded = whole.ok ? decodeFiles(whole.files) : undefined;
      // Whatever a hub takes, each agent must take, and make the same of it.
      if (!decoded?.ok) return;
      taken += 1;
      for (const cluster of CLUSTERS) {
        const { part, compiled } = await compiledAlone(box, commit, cluster);
        expect(compiled).toEqual(compileCluster(decoded.set, cluster));
        expect(part.part.registration).toBe(files.find(({ path }) => registrationPaths(cluster).includes(path))?.path ?? null);
        expect(await filesOfRevision(commit, (id) => part.objects.get(id), { cluster })).toEqual(part);
      }
    };
    const box = new ObjectBox();
    await fc.assert(
      fc.asyncProperty(repositories, fc.subarray([...ODD], { maxLength: 2 }), async (repository, odd) => {
        const files = filesOf(repository);
        const all = { ...Object.fromEntries(odd), ...asFiles(files) };
        await isAlikeForAll(box.commit({ files: all, signers: { allowed_signers: 'ana' } }), files);
      }),
      { numRuns: 300 },
    );
    expect(taken).toBeGreaterThan(50);
  });

  const [eu, us] = [clusterFile('eu', ['eu-west-1']).text, clusterFile('us', ['us-east-1']).text];
  const scope = scopeFile('policies/eu', { clusterRegions: ['eu-west-1'] }).text;
  const scoped: Record<string, string> = {
    'clusters/eu.yaml': eu,
    'clusters/us.yaml': us,
    'policies/eu/scope.yaml': scope,
    ...asFiles([
      policyFile('free'),
      below('policies/eu', policyFile('finance')),
      below('policies/eu/deep', policyFile('hr')),
      scopeFile('policies/eu/deep', {}),
    ]),
    'policies/eu/deep/link.txt': 'x',
  };
  const walk = (files: Record<string, string | undefined>, cluster: string, links: Record<string, string> = {}) => {
    const box = new ObjectBox();
    const entries = Object.entries(files).filter((entry): entry is [string, string] => entry[1] !== undefined);
    return filesOfRevision(box.commit({ files: Object.fromEntries(entries), links }), box.get, { cluster });
  };

  it('is neither the registration of another nor what lies below a scope that it is outside of', async () => {
    const [inEu, inUs, unknown] = [await walk(scoped, 'eu'), await walk(scoped, 'us'), await walk(scoped, 'unknown')];
    expect([inEu, inUs, unknown].map((found) => found.ok && found.files.map(({ path }) => path))).toEqual([
      [
        'clusters/eu.yaml',
        'policies/eu/deep/hr.yaml',
        'policies/eu/deep/scope.yaml',
        'policies/eu/finance.yaml',
        'policies/eu/scope.yaml',
        'policies/free.yaml',
      ],
      ['clusters/us.yaml', 'policies/eu/scope.yaml', 'policies/free.yaml'],
      ['policies/eu/scope.yaml', 'policies/free.yaml'],
    ]);
    expect(inUs).toMatchObject({ part: { registration: 'clusters/us.yaml', outside: ['policies/eu'] } });
    expect(inEu).toMatchObject({ part: { outside: [] } });
    expect(inUs.ok && [...inUs.ids.keys()]).not.toContain('policies/eu/deep');
  });

  const refused = async (change: Record<string, string | undefined>, links: Record<string, string> = {}): Promise<readonly string[]> => {
    const found = await walk({ ...scoped, ...change }, 'us', links);
    return found.ok ? ['taken'] : found.problems.map(({ path, message }) => `${path}: ${message}`);
  };
  const gone = { 'policies/eu/scope.yaml': undefined };

  it.each<[string, Record<string, string | undefined>, Record<string, string>, string]>([
    ['another case', { ...gone, 'policies/eu/Scope.yaml': scope }, {}, 'policies/eu/Scope.yaml: a scope is one plain file'],
    ['another ending', { ...gone, 'policies/eu/scope.yml': scope }, {}, 'policies/eu/scope.yml: a scope is one plain file'],
    ['a second one', { 'policies/eu/SCOPE.yaml': scope }, {}, 'policies/eu/SCOPE.yaml: a scope is one plain file'],
    ['a link', gone, { 'policies/eu/scope.yaml': 'deep/scope.yaml' }, 'policies/eu/scope.yaml: a scope is one plain file'],
    ['a folder', { ...gone, 'policies/eu/scope.yaml/a.yaml': scope }, {}, 'policies/eu/scope.yaml: a scope is one plain file'],
    ['an unknown field', { 'policies/eu/scope.yaml': `${scope}  clusters: [us]\n` }, {}, 'policies/eu/scope.yaml: '],
    ['no document', { 'policies/eu/scope.yaml': '# later\n' }, {}, 'policies/eu/scope.yaml: the file has one document'],
    ['two documents', { 'policies/eu/scope.yaml': `${scope}---\n${scope}` }, {}, 'policies/eu/scope.yaml: the file has one document'],
    ['no YAML', { 'policies/eu/scope.yaml': '{' }, {}, 'policies/eu/scope.yaml: '],
  ])('refuses a scope with %s: it is never read as one that the cluster is outside of', async (_what, change, links, problem) => {
    expect(await refused(change, links)).toEqual([expect.stringContaining(problem)]);
  });

  it.each<[string, Record<string, string | undefined>, Record<string, string>, string]>([
    ['in another case', { 'clusters/us.yaml': undefined, 'clusters/US.yaml': us }, {}, 'clusters/US.yaml: must be a plain file'],
    ['with another ending', { 'clusters/us.yaml': undefined, 'clusters/us.yml': us }, {}, 'clusters/us.yml: must be a plain file'],
    ['as a link', { 'clusters/us.yaml': undefined }, { 'clusters/us.yaml': 'eu.yaml' }, 'clusters/us.yaml: must be a plain file'],
    ['at both places', { 'clusters/79/us.yaml': us }, {}, 'clusters: cluster us is registered twice'],
    ['behind a link', { 'clusters/us.yaml': undefined }, { 'clusters/79': '../x' }, 'clusters/79: '],
    ['in another folder of clusters', { 'Clusters/us.yaml': us }, {}, 'Clusters: must be clusters/'],
    ['of another name', { 'clusters/us.yaml': eu }, {}, 'clusters/us.yaml: a ManagedCluster belongs'],
  ])('refuses a registration %s', async (_what, change, links, problem) => {
    expect(await refused(change, links)).toEqual([expect.stringContaining(problem)]);
  });
});
