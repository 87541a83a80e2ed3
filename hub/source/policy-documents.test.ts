import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { inflateSync } from 'node:zlib';
import { FakeClock } from '@fso/shared/fake-clock';
import type { GitObjectType } from '@fso/shared/git';
import { BusyError } from '@fso/shared/runtime';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createPolicyDocuments } from './policy-documents.ts';
import type { FindObject } from './policy-files.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'fso-documents-'));
  git('init', '--quiet', '--initial-branch=main');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const who = {
  GIT_AUTHOR_NAME: 'Ada',
  GIT_AUTHOR_EMAIL: 'ada@example.org',
  GIT_COMMITTER_NAME: 'Bo',
  GIT_COMMITTER_EMAIL: 'bo@example.org',
};
const git = (...args: string[]): Buffer =>
  execFileSync('git', args, {
    cwd: folder,
    stdio: 'pipe',
    env: { PATH: process.env['PATH'], HOME: folder, GIT_COMMITTER_DATE: '2026-01-03T10:30:00Z', ...who },
  });
const idOf = (revision: string): string => git('rev-parse', revision).toString().trim();
/** Loose objects: what was just committed (gitformat-loose). */
const find: FindObject = async (id) => {
  const object = inflateSync(readFileSync(join(folder, '.git/objects', id.slice(0, 2), id.slice(2))));
  const end = object.indexOf(0);
  return { type: object.toString('latin1', 0, object.indexOf(' ')) as GitObjectType, data: object.subarray(end + 1) };
};
const commit = (message: string, files: Readonly<Record<string, string | null>>): string => {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    if (text === null) rmSync(join(folder, path));
    else writeFileSync(join(folder, path), text);
  }
  git('add', '--all');
  git('commit', '--quiet', '--message', message);
  return idOf('HEAD');
};
const policy = (name: string, region = 'eu-west-1'): string =>
  `kind: SovereignPolicy\nmetadata:\n  name: ${name} # the name\nspec:\n  allowedRegions: [${region}]\n`;

describe('documents of a policy in Git', () => {
  it('are read with their comments, and followed through changes, moves and removals', async () => {
    const others = policy('other');
    const added = commit('add', { 'policies/a.yaml': policy('a'), 'README.md': 'x' });
    commit('another file', { 'README.md': 'y', 'policies/other.yaml': others });
    const changed = commit('change\n\nbody', { 'policies/a.yaml': policy('a', 'eu-west-2') });
    const moved = commit('move', { 'policies/a.yaml': null, 'policies/eu/all.yaml': `${others}---\n# of a\n${policy('a', 'eu-west-2')}` });
    commit('its neighbour', { 'policies/eu/all.yaml': `${policy('other', 'us-east-1')}---\n# of a\n${policy('a', 'eu-west-2')}` });
    const removed = commit('remove', { 'policies/eu/all.yaml': others });
    const back = commit('back', { 'policies/b.yaml': policy('a') });

    const documents = createPolicyDocuments(find, new FakeClock());
    const place = { revision: back, path: 'policies/b.yaml', name: 'a' };
    expect(await documents.source(place)).toEqual({ path: 'policies/b.yaml', line: 1, revision: back, yaml: policy('a') });
    expect(await documents.source({ ...place, revision: moved, path: 'policies/eu/all.yaml' })).toMatchObject({
      line: 7,
      yaml: `# of a\n${policy('a', 'eu-west-2')}`,
    });
    expect(await documents.source({ ...place, name: 'other' })).toBeNull();
    expect(await documents.source({ ...place, path: 'policies/none.yaml' })).toBeNull();

    const history = await documents.history(place);
    expect(history?.complete).toBe(true);
    expect(history?.items.map(({ commit: { revision, subject }, change, path }) => [revision, subject, change, path])).toEqual([
      [back, 'back', 'added', 'policies/b.yaml'],
      [removed, 'remove', 'removed', 'policies/eu/all.yaml'],
      [moved, 'move', 'changed', 'policies/eu/all.yaml'],
      [changed, 'change', 'changed', 'policies/a.yaml'],
      [added, 'add', 'added', 'policies/a.yaml'],
    ]);
    expect(history?.items.map(({ yaml }) => yaml?.includes('eu-west-2'))).toEqual([false, undefined, true, true, false]);
    expect(history?.items[0]?.commit).toMatchObject({ author: 'Ada <ada@example.org>', time: '2026-01-03T10:30:00.000Z' });
    expect(await documents.history(place)).toEqual(history);
    expect(await documents.history({ ...place, name: 'nothing' })).toBeNull();
  });

  it('skip commits whose file cannot be read, and end where there are too many', async () => {
    const first = commit('first', { 'policies/c.yaml': policy('c') });
    commit('broken', { 'policies/c.yaml': 'name: c\nkind: [' });
    let last = commit('repaired', { 'policies/c.yaml': policy('c', 'eu-west-3') });
    const repaired = last;
    const documents = createPolicyDocuments(find, new FakeClock());
    const short = await documents.history({ revision: last, path: 'policies/c.yaml', name: 'c' });
    expect(short?.items.map(({ commit: { revision }, change }) => [revision, change])).toEqual([
      [repaired, 'changed'],
      [first, 'added'],
    ]);

    for (let region = 0; region < 51; region += 1) last = commit('again', { 'policies/c.yaml': policy('c', `r-${region}`) });
    const long = await documents.history({ revision: last, path: 'policies/c.yaml', name: 'c' });
    expect([long?.items.length, long?.complete]).toEqual([50, false]);
  });

  it('end after a while, and continue further on the next request', async () => {
    for (const region of ['eu-west-1', 'eu-west-2', 'eu-west-3']) commit(region, { 'policies/e.yaml': policy('e', region) });
    const clock = new FakeClock();
    const documents = createPolicyDocuments(async (id) => {
      await clock.advance(400);
      return find(id);
    }, clock);
    const place = { revision: idOf('HEAD'), path: 'policies/e.yaml', name: 'e' };
    const subjects = async () => (await documents.history(place))?.items.map(({ commit: { subject } }) => subject);
    const first = await subjects();
    const second = await subjects();
    expect(first?.length).toBeLessThan(3);
    expect(second?.length).toBeGreaterThan(first?.length ?? 0);
    for (let times = 0; times < 40; times += 1) await documents.history(place);
    expect((await subjects())?.slice(0, 3)).toEqual(['eu-west-3', 'eu-west-2', 'eu-west-1']);
    expect((await documents.history(place))?.complete).toBe(true);
  });

  it('are computed one at a time, for callers that still wait, and for a bounded number', async () => {
    const place = { revision: commit('f', { 'policies/f.yaml': policy('f') }), path: 'policies/f.yaml', name: 'f' };
    const documents = createPolicyDocuments(find, new FakeClock());
    const first = documents.history(place);
    const gone = documents.history({ ...place, name: 'gone' }, AbortSignal.abort(new Error('gone')));
    const waiting = Array.from({ length: 12 }, (_, at) => documents.history({ ...place, name: `n${at}` }));
    const results = await Promise.allSettled(waiting);
    await expect(gone).rejects.toThrow('gone');
    expect((await first)?.complete).toBe(true);
    const refused = results.flatMap((result) => (result.status === 'rejected' ? [result.reason as unknown] : []));
    expect(refused).toHaveLength(5);
    expect(refused.every((reason) => reason instanceof BusyError)).toBe(true);
  });

  it('end where an object is missing', async () => {
    const parent = idOf('HEAD');
    const last = commit('last', { 'policies/d.yaml': policy('d') });
    const documents = createPolicyDocuments(async (id) => (id === parent ? undefined : find(id)), new FakeClock());
    expect(await documents.history({ revision: last, path: 'policies/d.yaml', name: 'd' })).toEqual({ items: [], complete: false });
  });
});
