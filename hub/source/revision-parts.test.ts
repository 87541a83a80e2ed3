import { decodeFiles } from '@fso/shared/decode';
import { byText } from '@fso/shared/encoding';
import { filesOfRevision } from '@fso/shared/git';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { clusterFile, policyFile, scopeFile } from '../../shared/decode/testing/decoded.ts';
import { asFiles, CLUSTERS, filesOf, ODD, repositories } from '../../shared/git/testing/repositories.ts';
import { ObjectBox } from '../../shared/trust/testing/commits.ts';
import { RevisionParts } from './revision-parts.ts';

const below = (folder: string, name: string) => ({ ...policyFile(name), path: `${folder}/${name}.yaml` });
const filesWith = (label: string): Record<string, string> =>
  Object.fromEntries(
    [
      clusterFile('eu', ['eu-west-1'], { tier: 'one' }),
      { ...clusterFile('eu2', ['eu-west-1'], { tier: 'one' }), path: 'clusters/4f/eu2.yaml' },
      clusterFile('us', ['us-east-1'], { tier: label }),
      scopeFile('policies/one', { clusterSelector: { matchLabels: { tier: 'one' } } }),
      scopeFile('policies/one/eu', { clusterRegions: ['eu-west-1'] }),
      below('policies', 'free'),
      below('policies/one', 'a'),
      below('policies/one/eu', 'b'),
    ].map(({ path, text }) => [path, text]),
  );

const scene = () => {
  const box = new ObjectBox();
  const seen = { whole: 0 };
  const parts = new RevisionParts(box.get, (revision) => {
    seen.whole += 1;
    return filesOfRevision(revision, box.get);
  });
  return { box, parts, seen };
};

describe('the part of a commit that a cluster gets', () => {
  it('is exactly the set of objects that its agent walks over', async () => {
    const { box, parts, seen } = scene();
    const commits = ['two', 'one'].map((label) => box.commit({ files: filesWith(label), signers: { allowed_signers: 'ana' } }));
    for (const [commit, cluster] of commits.flatMap((id) => ['us', 'eu', 'eu2', 'unknown'].map((name) => [id, name] as const))) {
      const walked = await filesOfRevision(commit, box.get, { cluster });
      if (!walked.ok) throw new Error(JSON.stringify(walked));
      const { shared, own } = (await parts.partOf(commit, cluster)) ?? { shared: [], own: [] };
      expect([...shared, ...own].sort(byText)).toEqual([...walked.objects.keys()].sort(byText));
    }
    expect(seen.whole).toBe(2);
  });

  it('is that set in any repository that a hub accepts', async () => {
    const { box, parts } = scene();
    let taken = 0;
    const compare = async (commit: string, cluster: string): Promise<void> => {
      const walked = await filesOfRevision(commit, box.get, { cluster });
      const { shared, own } = (await parts.partOf(commit, cluster)) ?? { shared: [], own: [] };
      expect(new Set([...shared, ...own])).toEqual(new Set(walked.ok ? walked.objects.keys() : []));
    };
    await fc.assert(
      fc.asyncProperty(repositories, fc.subarray([...ODD], { maxLength: 1 }), async (repository, odd) => {
        const commit = box.commit({ files: { ...Object.fromEntries(odd), ...asFiles(filesOf(repository)) } });
        const whole = await filesOfRevision(commit, box.get);
        if (!whole.ok || !decodeFiles(whole.files).ok) return;
        taken += 1;
        for (const cluster of CLUSTERS) await compare(commit, cluster);
      }),
      { numRuns: 200 },
    );
    expect(taken).toBeGreaterThan(50);
  });

  it('is one list for all clusters in the same scopes', async () => {
    const { box, parts } = scene();
    const commit = box.commit({ files: filesWith('two') });
    const [eu, eu2, us] = await Promise.all(['eu', 'eu2', 'us'].map((cluster) => parts.partOf(commit, cluster)));
    expect(eu?.shared).toBe(eu2?.shared);
    expect(us?.shared).not.toBe(eu?.shared);
    expect([eu, eu2, us].map((part) => part?.own.length)).toEqual([1, 2, 1]);
  });

  it('includes an object that stands at several paths, for each cluster that needs it', async () => {
    const { box, parts } = scene();
    const note = { 'clusters/4d/README.md': 'same', 'policies/new/README.md': 'same' };
    const commit = box.commit({ files: { ...filesWith('two'), ...note } });
    for (const cluster of ['eu', 'us']) {
      const walked = await filesOfRevision(commit, box.get, { cluster });
      const { shared, own } = (await parts.partOf(commit, cluster)) ?? { shared: [], own: [] };
      expect(new Set([...shared, ...own])).toEqual(new Set(walked.ok ? walked.objects.keys() : []));
    }
  });

  it('excludes a registration that once stood in the place of another', async () => {
    const { box, parts } = scene();
    const files = filesWith('one');
    const swapped = box.commit({ files: { ...files, 'clusters/eu.yaml': clusterFile('us', ['us-east-1']).text } });
    expect((await parts.partOf(swapped, 'eu'))?.key).toBe('');
    const commit = box.commit({ files });
    expect((await parts.partOf(commit, 'us'))?.key).toBe('policies/one');
  });

  it('is searched again where the commit was missing', async () => {
    const { box, parts } = scene();
    const commit = box.commit({ files: filesWith('two') });
    const objects = new Map(box.objects);
    box.objects.clear();
    expect(await parts.partOf(commit, 'eu')).toBeNull();
    for (const [id, object] of objects) box.objects.set(id, object);
    expect((await parts.partOf(commit, 'eu'))?.shared[0]).toBe(commit);
  });
});
