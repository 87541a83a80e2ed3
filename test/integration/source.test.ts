import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { systemClock } from '@fso/shared/runtime';
import pino from 'pino';
import { afterEach, describe, expect, it } from 'vitest';
import { openSource, type Source, type SourceOptions, type SourceRevision } from '../../hub/source/index.ts';
import { type HubHarness, openHubHarness } from '../harness/hub-harness.ts';
import { basicRepository, policyFile } from '../harness/policy-files.ts';

let bench: HubHarness;
const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
  await bench.close();
});

interface FollowedSource {
  readonly source: Source;
  /** The next revision that no earlier call has returned. */
  next(): Promise<SourceRevision>;
  stop(): Promise<void>;
}

const follow = async (change: Partial<SourceOptions> = {}, logger = pino({ level: 'silent' })): Promise<FollowedSource> => {
  const options: SourceOptions = {
    url: bench.git.url('policies.git'),
    ref: 'main',
    dataDir: join(bench.folder, 'source'),
    pollMs: 60_000,
    trust: { mode: 'off' },
    ...change,
  };
  const source = await openSource(options, { clock: systemClock, logger, random: Math.random });
  const revisions: SourceRevision[] = [];
  let wake = (): void => undefined;
  source.onRevision((revision) => {
    revisions.push(revision);
    wake();
  });
  const end = new AbortController();
  const done = source.run(end.signal);
  const stop = async (): Promise<void> => {
    end.abort();
    await done;
  };
  stops.push(stop);
  return {
    source,
    stop,
    next: async () => {
      for (;;) {
        const revision = revisions.shift();
        if (revision !== undefined) return revision;
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
  };
};

describe("the source's record of the last good revision", () => {
  const STATE = 'source/source.json';
  const listen = () => {
    const messages: string[] = [];
    return { messages, logger: pino({ level: 'warn' }, { write: (line: string) => void messages.push(JSON.parse(line).msg) }) };
  };

  it('is written with the next fetch if a write failed, which is no failure of the repository', async () => {
    bench = await openHubHarness();
    const first = await bench.repository.commit(basicRepository(), 'first');
    const path = join(bench.folder, STATE);
    // A file cannot replace a folder.
    await mkdir(path, { recursive: true });
    const { messages, logger } = listen();
    const { source, next } = await follow({}, logger);
    await next();
    await expect.poll(() => source.state().lastFetch).not.toBeNull();
    expect(source.state().error).toBeNull();
    expect(messages).toContain('last good revision not kept');
    await rm(path, { recursive: true });
    source.hint();
    await expect.poll(() => readFile(path, 'utf8').catch(() => '')).toContain(first);
  });

  it('is ignored if it cannot be read', async () => {
    bench = await openHubHarness();
    await bench.repository.commit(basicRepository(), 'first');
    const path = join(bench.folder, STATE);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, '{"url": "cut o');
    const { messages, logger } = listen();
    await (await follow({}, logger)).next();
    expect(messages).toContain('last good revision cannot be read');
  });
});

describe('source', () => {
  it('finds the last good revision again while Git is away, with the pieces of many fetches and of one', async () => {
    bench = await openHubHarness();
    await bench.repository.commit(basicRepository(), 'first');
    const first = await follow();
    await first.next();
    let last = '';
    for (const region of ['eu-west-1', 'eu-west-2', 'eu-west-3']) {
      last = await bench.repository.commit({ 'policies/hr.yaml': policyFile('hr', [region]) }, region);
      first.source.hint();
      await first.next();
    }
    await first.stop();
    const packs = async (): Promise<number> =>
      (await readdir(join(bench.folder, 'source/git/objects/pack'))).filter((name) => name.endsWith('.idx')).length;
    expect(await packs()).toBe(4);

    const renewed = await follow({ maxPacks: 3 });
    expect(await renewed.next()).toMatchObject({ restored: true, commit: { revision: last } });
    expect(await packs()).toBe(1);
    await renewed.stop();

    await bench.git.stop();
    const alone = await follow({ maxPacks: 0 });
    const restored = await alone.next();
    expect(restored).toMatchObject({ restored: true, commit: { revision: last, subject: 'eu-west-3' } });
    expect(restored.set.policies).toHaveLength(2);
    expect((await alone.source.objects.partOf(last, 'eu'))?.shared[0]).toBe(last);
  });

  it('fetches a clone again that has become heavy, and nothing more where the accepted commit is gone', async () => {
    bench = await openHubHarness();
    const { repository, folder } = bench;
    const first = await repository.commit(basicRepository(), 'first');
    const { source, next } = await follow({ limits: { cloneBytes: 100_000 } });
    await next();
    const weight = async (): Promise<number> => {
      const packs = join(folder, 'source/git/objects/pack');
      const sizes = (await readdir(packs)).map(async (name) => (await stat(join(packs, name))).size);
      return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
    };
    const follows = async (revision: string): Promise<void> => {
      await repository.git('push', '--quiet', '--force', 'origin', `${revision}:main`);
      source.hint();
      await expect.poll(() => source.state()).toMatchObject({ error: null, rejected: null, revision: { revision } });
    };
    const junk = () => repository.commit({ 'junk.bin': randomBytes(150_000).toString('base64'), 'policies/bad.yaml': '{' }, 'junk');
    for (let count = 0; count < 4; count += 1) {
      const revision = await junk();
      source.hint();
      await expect.poll(() => source.state().rejected?.commit.revision).toBe(revision);
      await repository.git('reset', '--quiet', '--hard', first);
      await follows(first);
    }
    expect(await weight()).toBeLessThan(400_000);

    const rejected = await junk();
    source.hint();
    await expect.poll(() => source.state().rejected?.commit.revision).toBe(rejected);
    const stranger = await repository.git('commit-tree', '-m', 'without a past', `${first}^{tree}`);
    await repository.git('push', '--quiet', '--force', 'origin', `${stranger}:main`);
    source.hint();
    await expect.poll(() => source.state().error?.message).toContain('no longer has the commit');
    await repository.git('reset', '--quiet', '--hard', first);
    await follows(first);
  });

  it('ignores records of another repository or ref', async () => {
    bench = await openHubHarness();
    await bench.repository.commit(basicRepository(), 'first');
    const main = await follow();
    await main.next();
    await main.stop();
    await bench.repository.git('push', '--quiet', 'origin', 'HEAD:refs/heads/other');
    const other = await follow({ ref: 'other' });
    expect(await other.next()).toMatchObject({ restored: false });
  });

  it('follows an annotated tag, and writes no credentials to disk', async () => {
    const credentials = { username: 'git', password: 'very-secret-password' };
    bench = await openHubHarness({ credentials });
    const first = await bench.repository.commit(basicRepository(), 'first');
    await bench.repository.git('tag', '--annotate', '--message', 'release', 'v1');
    await bench.repository.git('push', '--quiet', 'origin', 'v1');
    const tagged = await follow({ ref: 'v1', credentials });
    expect((await tagged.next()).commit.revision).toBe(first);
    expect(await readFile(join(bench.folder, 'source/git/config'), 'utf8')).not.toContain('very-secret');
    expect(tagged.source.state().url).toBe(bench.git.url('policies.git'));
  });

  it('finds the chain between two commits, through a merge, and none where there is none', async () => {
    bench = await openHubHarness();
    const { repository } = bench;
    const base = await repository.commit(basicRepository(), 'base');
    await repository.git('checkout', '--quiet', '-b', 'side');
    await repository.git('commit', '--quiet', '--allow-empty', '--message', 'side');
    const side = await repository.git('rev-parse', 'HEAD');
    await repository.git('checkout', '--quiet', 'main');
    const onMain = await repository.commit({ 'policies/hr.yaml': policyFile('hr') }, 'on main');
    await repository.git('merge', '--quiet', '--no-ff', '--message', 'merge', 'side');
    await repository.git('push', '--quiet', 'origin', 'HEAD:main');
    const merge = await repository.git('rev-parse', 'HEAD');
    const following = await follow();
    await following.next();
    const { objects } = following.source;
    expect(await objects.chain(side, merge)).toEqual([merge]);
    const [between, end] = (await objects.chain(base, merge)) ?? [];
    expect([side, onMain]).toContain(between);
    expect(end).toBe(merge);
    expect(await objects.chain(merge, base)).toBeNull();
    expect(await objects.chain('f'.repeat(40), merge)).toBeNull();
    expect(await objects.partOf('f'.repeat(40), 'eu')).toBeNull();
  });
});
