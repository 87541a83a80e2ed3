import { afterEach, describe, expect, it } from 'vitest';
import type { RunningHub } from '../../hub/hub.ts';
import { accepted, type HubHarness, openHubHarness, takeOffer } from '../harness/hub-harness.ts';
import { basicRepository, policyFile } from '../harness/policy-files.ts';
import { eventually } from '../harness/waiting.ts';

let bench: HubHarness;
const open = async (...args: Parameters<typeof openHubHarness>): Promise<HubHarness> => {
  bench = await openHubHarness(...args);
  return bench;
};
afterEach(() => bench.close());

const rejected = (hub: RunningHub, revision: string) =>
  eventually(async () => {
    const state = hub.source.state().rejected;
    return state?.commit.revision === revision && state;
  });
describe('a commit that is refused', () => {
  const ALIAS_BOMB = `a: &a [x, x, x, x, x, x, x, x, x]\nb: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a]\nc: [*b, *b, *b, *b, *b, *b, *b, *b, *b]\n`;

  it.each([
    ['broken YAML', { 'policies/bad.yaml': 'apiVersion: v1\nkind: [\n' }, { path: 'policies/bad.yaml', line: 3, reason: /./ }],
    [
      'an unknown field',
      { 'policies/bad.yaml': `${policyFile('bad')}  regoin: eu-west-1\n` },
      { path: 'policies/bad.yaml', line: 8, reason: /regoin/ },
    ],
    ['a duplicate policy', { 'policies/copy.yaml': policyFile('finance') }, { path: /finance|copy/, line: 4, reason: /finance/ }],
    [
      'an unknown region group',
      { 'policies/bad.yaml': policyFile('bad', ['group:nowhere']) },
      { path: 'policies/bad.yaml', line: 7, reason: /nowhere/ },
    ],
    ['an alias bomb', { 'policies/bad.yaml': ALIAS_BOMB }, { path: 'policies/bad.yaml', line: 1, reason: /alias|anchor/ }],
    ['an oversized file', { 'policies/bad.yaml': `# ${'x'.repeat(300_000)}\n` }, { path: 'policies/bad.yaml', line: 1, reason: /bytes/ }],
  ])('%s: keeps the last good one, and locates the problem', async (_name, files, problem) => {
    const { repository, startHub, agent } = await open();
    const good = await repository.commit(basicRepository(), 'good');
    const hub = await startHub();
    const eu = await agent(hub, 'eu');
    await takeOffer(eu, hub, 'eu');
    const bad = await repository.commit(files, 'bad');
    hub.source.hint();
    const state = await rejected(hub, bad);
    const first = state.problems[0];
    expect(first?.path).toMatch(problem.path);
    expect(first?.line).toBe(problem.line);
    expect(first?.column).toBeGreaterThan(0);
    expect(first?.reason).toMatch(problem.reason);
    expect(hub.source.state().revision?.revision).toBe(good);
    expect((await hub.ledger.desired())?.revision).toBe(good);
    await expect
      .poll(async () => (await hub.ledger.events({ limit: 1 }))[0])
      .toMatchObject({ reason: 'CommitRejected', severity: 'alert', revision: bad });

    const fixed = await repository.commit(Object.fromEntries(Object.keys(files).map((path) => [path, null])), 'fixed');
    hub.source.hint();
    // The bad commit was never offered.
    expect((await eu.next('offer')).revision).toBe(fixed);
    expect(hub.source.state().rejected).toBeNull();
  });

  it('a symbolic link among the policies', async () => {
    const { repository, startHub } = await open();
    await repository.commit(basicRepository(), 'good');
    const hub = await startHub();
    await repository.git(
      'update-index',
      '--add',
      '--cacheinfo',
      `120000,${await repository.git('hash-object', '-w', 'policies/finance.yaml')},policies/link.yaml`,
    );
    await repository.git('commit', '--quiet', '--message', 'link');
    await repository.git('push', '--quiet', 'origin', 'HEAD:main');
    hub.source.hint();
    const state = await rejected(hub, await repository.git('rev-parse', 'HEAD'));
    expect(state.problems[0]).toMatchObject({ path: 'policies/link.yaml', reason: expect.stringContaining('symbolic link') });
  });

  it('is still refused, and the last good one still found, after a restart', async () => {
    const { repository, startHub, agent } = await open();
    const good = await repository.commit(basicRepository(), 'good');
    const before = await startHub();
    await accepted(before, good);
    const bad = await repository.commit({ 'policies/bad.yaml': 'x' }, 'bad');
    before.source.hint();
    await rejected(before, bad);
    await before.stop();
    const after = await startHub();
    await rejected(after, bad);
    expect(after.source.state().revision?.revision).toBe(good);
    const eu = await agent(after, 'eu');
    expect((await eu.next('offer')).revision).toBe(good);
  });
});

describe('an unreadable repository', () => {
  it('unreachable: the hub reports it with its start, keeps the last good commit, and recovers', async () => {
    const faults = new Set<'cut'>();
    const { repository, startHub } = await open({
      onRequest: (request) => {
        if (faults.has('cut')) request.socket.destroy();
      },
    });
    const good = await repository.commit(basicRepository(), 'good');
    const hub = await startHub({ gitConfig: { pollMs: 200 } });
    await accepted(hub, good);
    faults.add('cut');
    const error = await eventually(async () => hub.source.state().error);
    expect(error.message).toMatch(/cannot reach the Git server/);
    expect(hub.source.state().revision?.revision).toBe(good);
    faults.delete('cut');
    const next = await repository.commit({ 'policies/hr.yaml': policyFile('hr') }, 'next');
    await accepted(hub, next);
    await eventually(async () => hub.source.state().error === null);
    await expect
      .poll(async () => (await hub.ledger.events({ limit: 10 })).map((event) => event.reason))
      .toEqual(expect.arrayContaining(['SourceUnreachable', 'SourceReachable']));
  });

  it.each([
    ['nothing listens there', { url: 'http://127.0.0.1:9/policies.git' }, /connection refused/],
    ['no such ref', { ref: 'production' }, /no ref production/],
    ['wrong credentials', { credentials: { username: 'git', password: 'wrong' } }, /refuses the credentials \(HTTP 401\)/],
  ])('%s', async (_name, gitConfig, reason) => {
    const { repository, startHub } = await open({ credentials: { username: 'git', password: 'right' } });
    await repository.commit(basicRepository(), 'good');
    const hub = await startHub({ gitConfig });
    const error = await eventually(async () => hub.source.state().error);
    expect(error.message).toMatch(reason);
    expect(JSON.stringify(hub.source.state())).not.toMatch(/wrong|right/);
    expect(await hub.ledger.desired()).toBeNull();
  });

  it('is reported when it does not exist or has no commits', async () => {
    const { git, startHub, folder } = await open();
    const none = await startHub({ gitConfig: { url: git.url('none.git') }, config: { dataDir: `${folder}/none` } });
    expect((await eventually(async () => none.source.state().error)).message).toMatch(/no such repository/);
    const empty = await startHub();
    expect((await eventually(async () => empty.source.state().error)).message).toMatch(/no commits/);
  });

  it('replaces a damaged clone', async () => {
    const { repository, startHub, folder } = await open();
    const good = await repository.commit(basicRepository(), 'good');
    const before = await startHub();
    await accepted(before, good);
    await before.stop();
    const { readdir, writeFile } = await import('node:fs/promises');
    const packs = `${folder}/hub/git/objects/pack`;
    for (const name of await readdir(packs)) await writeFile(`${packs}/${name}`, 'damaged');
    const after = await startHub();
    await accepted(after, good);
  });
});
