import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { BranchList, Plan, StoredPlanPage } from '@fso/shared/effects';
import pino from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type GitServer, startGitServer } from '../../clusters/demo/git-server.ts';
import { runFso } from '../../hub/cli/testing/run-fso.ts';
import type { RunningHub } from '../../hub/hub.ts';
import { BranchBench, CREDENTIALS, FILES, TIGHT } from '../harness/branch-bench.ts';
import { accepted } from '../harness/hub-harness.ts';
import { policyFile } from '../harness/policy-files.ts';
import { eventually } from '../harness/waiting.ts';

/** Text in each part of a branch that nobody may keep. */
const SECRET = 'planted-text-8e44';

let bench: BranchBench;
beforeEach(async () => {
  bench = await BranchBench.open();
});
afterEach(() => bench.hubs.close());

describe('branches at a hub', () => {
  let hub: RunningHub;
  let logged: string[];
  const start = async (): Promise<string> => {
    const first = await bench.hubs.repository.commit(FILES, 'first');
    logged = [];
    hub = await bench.hubs.startHub({ deps: { logger: pino({ level: 'trace' }, { write: (line: string) => void logged.push(line) }) } });
    await accepted(hub, first);
    return first;
  };
  const fso = (...args: string[]) => runFso(args, { FSO_SERVER: hub.url });
  const plan = async (branch: string): Promise<Plan> => {
    const { out, err } = await fso('plan', '--branch', branch, '-o', 'json');
    expect(err).toBe('');
    return Plan.parse(JSON.parse(out));
  };
  const refusal = async (branch: string): Promise<string> => {
    const { code, err } = await fso('plan', '--branch', branch);
    expect(code).toBe(2);
    return err;
  };
  const read = async (path: string): Promise<unknown> => (await fetch(`${hub.url}/api/v1${path}`)).json();
  const list = async (): Promise<BranchList> => BranchList.parse(await read('/branches'));
  const clone = async (): Promise<readonly string[]> => (await readdir(join(bench.hubs.folder, 'hub/git'), { recursive: true })).sort();

  it('are listed by name, up to 50 with the number of all, by one request for all callers', async () => {
    const first = await start();
    const names = Array.from({ length: 60 }, (_, at) => `b-${`${at}`.padStart(2, '0')}`);
    await bench.git('push', '--quiet', 'origin', ...[...names, 'a<b>', 'u\u202epside', 'main-2'].map((name) => `HEAD:refs/heads/${name}`));
    const answers = await Promise.all(Array.from({ length: 10 }, list));
    expect(bench.listings).toBe(1);
    for (const { items, total } of answers) {
      expect([total, items.length]).toEqual([63, 50]);
      expect(items.slice(0, 3)).toEqual(['a<b>', 'b-00', 'b-01'].map((name) => ({ name, revision: first, plan: null })));
    }
  });

  it('are planned as the same files that a caller sends, and leave the followed clone unchanged', async () => {
    const first = await start();
    const before = await clone();
    const tip = await bench.push('tighten', TIGHT);
    const made = await plan('tighten');
    expect(made).toMatchObject({
      ...{ result: 'Breaks', after: { source: 'tighten', revision: tip }, before: { revision: first } },
      branch: { ahead: 1, behind: 0, since: null },
    });
    const sent = Plan.parse(JSON.parse((await fso('plan', '--dir', bench.hubs.repository.folder, '--ref', 'work', '-o', 'json')).out));
    expect(made.effects).toEqual(sent.effects);
    expect((await list()).items).toMatchObject([{ name: 'tighten', revision: tip, plan: { id: made.id, branch: { revision: tip } } }]);

    expect(await clone()).toEqual(before);
    expect([await hub.source.objects.object(tip), existsSync(join(bench.hubs.folder, 'hub/git.branch'))]).toEqual([undefined, false]);
    expect(hub.source.state()).toMatchObject({ revision: { revision: first }, rejected: null, error: null });
  });

  it('are counted from where they left the commit in force, also through a merge', async () => {
    await start();
    await bench.push('old', TIGHT, 'one');
    await bench.git('checkout', '--quiet', 'work');
    await bench.commit({}, 'two');
    await bench.git('push', '--quiet', 'origin', 'HEAD:old');
    await bench.git('checkout', '--quiet', 'main');
    for (const region of ['eu-west-2', 'eu-west-3'])
      await bench.hubs.repository.commit({ 'policies/hr.yaml': policyFile('hr', [region]) }, region);
    hub.source.hint();
    await accepted(hub, await bench.git('rev-parse', 'main'));
    const behind = await plan('old');
    expect(behind.branch).toMatchObject({ ahead: 2, behind: 2 });
    // It reads as if the branch took the newer commits back.
    expect(behind.effects.flatMap(({ namespaces }) => namespaces.map(({ pattern }) => pattern))).toContain('hr');
    await bench.git('checkout', '--quiet', 'work');
    await bench.git('merge', '--quiet', '--no-edit', 'main');
    await bench.git('push', '--quiet', 'origin', 'HEAD:old');
    const merged = await plan('old');
    expect(merged.branch).toMatchObject({ ahead: 3, behind: 0, since: { plan: behind.id } });
    expect(merged.branch?.since?.ends).not.toEqual([]);
    await bench.git('checkout', '--quiet', 'main');
    // A branch that is merged, or has not begun.
    await bench.git('push', '--quiet', 'origin', 'main:refs/heads/even', 'main~1:refs/heads/back');
    expect([(await plan('even')).branch, (await plan('back')).branch]).toMatchObject([
      { ahead: 0, behind: 0 },
      { ahead: 0, behind: 1 },
    ]);
  });

  it('are read whole where they share no commit', async () => {
    await start();
    await bench.git('checkout', '--quiet', '--orphan', 'alone');
    const tip = await bench.commit(TIGHT, 'alone');
    await bench.git('push', '--quiet', 'origin', 'HEAD:alone');
    await bench.git('checkout', '--quiet', 'main');
    expect(await plan('alone')).toMatchObject({ result: 'Breaks', after: { revision: tip }, branch: { ahead: 1, behind: null } });
  });

  it.each([
    ['moves', () => bench.git('push', '--quiet', '--force', 'origin', 'work~1:refs/heads/tighten')],
    ['is deleted', () => bench.git('push', '--quiet', 'origin', ':refs/heads/tighten')],
  ])('are refused where one %s meanwhile, and can be planned again', async (_what, change) => {
    await start();
    await bench.push('tighten', TIGHT);
    bench.beforePack(async () => void (await change()));
    expect(await refusal('tighten')).toContain('the branch has moved or was deleted meanwhile: ask again');
    const tip = await bench.push('tighten', TIGHT, 'again');
    expect((await plan('tighten')).after.revision).toBe(tip);
  });

  it('are refused where they are not there, or followed', async () => {
    await start();
    await bench.push('tighten-more', TIGHT);
    for (const name of ['tighten', 'main']) expect(await refusal(name)).toContain('has no such branch');
  });

  it('are refused with the place where files are not valid, and harm no other', async () => {
    await start();
    await bench.push('invalid', { 'policies/finance.yaml': 'apiVersion: compliance.federated.io/v1\nkind: SovereignPolicy\nspec: {' });
    expect(await refusal('invalid')).toMatch(/policies\/finance\.yaml:\d+:\d+: /);
    await bench.git('checkout', '--quiet', '-B', 'work', 'main');
    await symlink('finance.yaml', join(bench.hubs.repository.folder, 'policies/link.yaml'));
    await bench.commit({}, 'link');
    await bench.git('push', '--quiet', 'origin', 'HEAD:refs/heads/linked');
    await bench.git('checkout', '--quiet', 'main');
    expect(await refusal('linked')).toContain('policies/link.yaml: is a symbolic link');
    await bench.push('tighten', TIGHT);
    expect((await plan('tighten')).result).toBe('Breaks');
    expect(hub.source.state()).toMatchObject({ rejected: null, error: null });
  });

  it('do not keep the followed branch waiting', async () => {
    await start();
    await bench.push('tighten', TIGHT);
    const pack = bench.holdPack();
    const planning = plan('tighten');
    await pack.asked;
    const next = await bench.hubs.repository.commit({ 'policies/hr.yaml': policyFile('hr', ['eu-west-2']) }, 'next');
    hub.source.hint();
    await accepted(hub, next);
    expect((await list()).items.map(({ name }) => name)).toEqual(['tighten']);
    pack.release();
    expect((await planning).result).toBe('Breaks');
  });

  it('are not known while the Git server is away, and are again once it is back', async () => {
    await start();
    await bench.push('tighten', TIGHT);
    const { port } = bench.hubs.git;
    await bench.hubs.git.stop();
    expect(await read('/branches')).toMatchObject({
      ...{ code: 'source-unavailable', detail: 'The policy repository cannot be read: cannot reach the Git server: connection refused.' },
    });
    expect(await refusal('tighten')).toContain('connection refused');
    const again: GitServer = await startGitServer({ root: join(bench.hubs.folder, 'repositories'), port, credentials: { ...CREDENTIALS } });
    expect((await plan('tighten')).result).toBe('Breaks');
    // The error is the answer to all callers for some seconds.
    await eventually(async () => ((await read('/branches')) as Partial<BranchList>).items?.length === 1);
    await again.stop();
  });

  it('leave their texts nowhere, nor objects that a hub which crashed had fetched', async () => {
    const left = join(bench.hubs.folder, 'hub/git.branch/objects');
    await mkdir(left, { recursive: true });
    await writeFile(join(left, 'x'), SECRET);
    await start();
    await eventually(() => !existsSync(join(bench.hubs.folder, 'hub/git.branch')));
    const policy = policyFile(SECRET).replace(
      'spec:',
      `  labels: {of: ${SECRET}}\n  annotations: {why: ${SECRET}}\nspec:\n  description: ${SECRET}`,
    );
    const files = {
      ...TIGHT,
      [`policies/${SECRET}/new.yaml`]: `# ${SECRET}\n${policy.replace(`targetNamespace: ${SECRET}`, 'targetNamespace: new')}`,
    };
    await bench.push('tighten', files, `${SECRET}\n\nAccept-Effects: ${SECRET}`);
    const made = await plan('tighten');
    expect(new Set(made.effects.flatMap(({ namespaces }) => namespaces.map(({ pattern }) => pattern)))).toEqual(
      new Set(['finance', 'new']),
    );
    await bench.push('invalid', { 'policies/finance.yaml': `kind: ${SECRET}` }, SECRET);
    await refusal('invalid');
    const { items } = StoredPlanPage.parse(await read('/plans'));
    expect(items.map(({ id, branch }) => [id, branch?.name])).toEqual([[made.id, 'tighten']]);
    const entries = await readdir(join(bench.hubs.folder, 'hub'), { recursive: true, withFileTypes: true });
    const kept = await Promise.all(
      entries.filter((entry) => entry.isFile()).map((entry) => readFile(join(entry.parentPath, entry.name), 'latin1')),
    );
    expect(kept.some((text) => text.includes(`${made.id}`))).toBe(true);
    expect([...kept, logged.join('')].filter((text) => text.includes(SECRET))).toEqual([]);
    expect(existsSync(join(bench.hubs.folder, 'hub/git.branch'))).toBe(false);
  });
});
