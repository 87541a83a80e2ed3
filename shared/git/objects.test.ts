import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  findTreeEntry,
  type GitObjectType,
  MAX_COMMIT_BYTES,
  MAX_TREE_BYTES,
  objectId,
  parseCommit,
  parseTree,
  type RawObject,
  readCommitLinks,
} from './objects.ts';
import { filesOfRevision } from './walk.ts';
import { DEFAULT_WALK_LIMITS } from './walk-options.ts';

/** A repository made by git itself; objects are read with `git cat-file`. */
const makeRepository = () => {
  const folder = mkdtempSync(join(tmpdir(), 'fso-git-objects-'));
  const env = {
    PATH: process.env['PATH'],
    HOME: folder,
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_AUTHOR_NAME: 'Ana Müller',
    GIT_AUTHOR_EMAIL: 'ana@example.org',
    GIT_COMMITTER_NAME: 'Bot',
    GIT_COMMITTER_EMAIL: 'bot@example.org',
  };
  const git = (...args: string[]): string => execFileSync('git', args, { cwd: folder, env, stdio: 'pipe' }).toString().trim();
  git('init', '--quiet', '--initial-branch=main');
  return {
    git,
    remove: () => rmSync(folder, { recursive: true, force: true }),
    write: (path: string, text: string | Uint8Array) => {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), text);
    },
    link: (path: string, target: string) => symlinkSync(target, join(folder, path)),
    commit: (message: string): string => {
      git('add', '--all');
      git('commit', '--quiet', '--allow-empty', '--message', message);
      return git('rev-parse', 'HEAD');
    },
    read: (id: string): RawObject | undefined => {
      try {
        const type = git('cat-file', '-t', id) as GitObjectType;
        return { type, data: execFileSync('git', ['cat-file', type, id], { cwd: folder, env }) };
      } catch {
        return undefined;
      }
    },
  };
};

describe('Git objects, as git writes them', () => {
  const repository = makeRepository();
  const { git, read, write } = repository;
  let first = '';
  let second = '';
  beforeAll(() => {
    write('policies/finance.yaml', 'kind: SovereignPolicy # ä\n');
    write('policies/team/deep/hr.yml', 'b\n');
    write('clusters/eu.yaml', 'c\n');
    write('README.md', 'not policy\n');
    write('docs/guide.yaml', 'not policy\n');
    first = repository.commit('First\n\nWith a body.');
    write('policies/finance.yaml', 'changed\n');
    second = repository.commit('Second');
  });
  afterAll(() => repository.remove());

  it('have the ids that git gave them', () => {
    const ids = git('rev-list', '--objects', '--no-object-names', 'HEAD').split('\n');
    expect(ids.length).toBeGreaterThan(10);
    for (const id of ids) {
      const object = read(id);
      expect(object && objectId(object.type, object.data)).toBe(id);
    }
  });

  it("parse into the same content as git's", () => {
    const commit = parseCommit(read(second)?.data ?? new Uint8Array());
    expect(commit).toMatchObject({ tree: git('rev-parse', 'HEAD^{tree}'), parents: [first], message: 'Second\n' });
    expect(commit.author).toMatch(/^Ana Müller <ana@example.org> \d+ [+-]\d{4}$/);
    const entries = parseTree(read(commit.tree)?.data ?? new Uint8Array());
    const asListed = entries.map(({ mode, name, id, kind }) => `${mode.padStart(6, '0')} ${kind} ${id}\t${name}`);
    expect(asListed).toEqual(git('ls-tree', 'HEAD').split('\n'));
  });

  it('give the policy files of a commit, and only those', async () => {
    const result = await filesOfRevision(first, read);
    expect(result).toMatchObject({
      ok: true,
      files: [
        { path: 'clusters/eu.yaml', text: 'c\n' },
        { path: 'policies/finance.yaml', text: 'kind: SovereignPolicy # ä\n' },
        { path: 'policies/team/deep/hr.yml', text: 'b\n' },
      ],
    });
    const docs = git('rev-parse', 'HEAD:docs');
    expect(result.ok && result.objects.has(docs)).toBe(false);
  });

  it('need nothing beyond the objects that the walk names', async () => {
    const full = await filesOfRevision(second, read);
    const { objects } = full.ok ? full : { objects: new Map<string, RawObject>() };
    expect(await filesOfRevision(second, (id) => objects.get(id))).toEqual(full);
  });

  it('are named when they are missing', async () => {
    const blob = git('rev-parse', `${second}:policies/finance.yaml`);
    const result = await filesOfRevision(second, (id) => (id === blob ? undefined : read(id)));
    expect(result).toEqual({ ok: false, problems: [], missing: [blob] });
    expect(await filesOfRevision('0'.repeat(40), read)).toEqual({ ok: false, problems: [], missing: ['0'.repeat(40)] });
  });

  it('are bounded in count, size and depth', async () => {
    const walk = (limits: Partial<typeof DEFAULT_WALK_LIMITS>) =>
      filesOfRevision(second, read, { limits: { ...DEFAULT_WALK_LIMITS, ...limits } });
    expect(await walk({ maxObjects: 4 })).toMatchObject({
      ok: false,
      problems: [{ message: expect.stringContaining('more than 4 objects') }],
    });
    expect(await walk({ maxBlobBytes: 4 })).toMatchObject({ ok: false, problems: [{ path: 'policies/finance.yaml' }] });
    expect(await walk({ maxTotalBytes: 64 })).toMatchObject({ ok: false, problems: [{ message: expect.stringContaining('64 bytes') }] });
    expect(await walk({ maxDepth: 2 })).toMatchObject({ ok: false, problems: [{ path: 'policies/team/deep' }] });
  });
});

describe('a commit that is not plain files', () => {
  const repository = makeRepository();
  afterAll(() => repository.remove());

  it('is refused for links and submodules where policy stands, and for text that is not UTF-8', async () => {
    repository.write('policies/a.yaml', 'a\n');
    repository.link('policies/link.yaml', 'a.yaml');
    repository.link('clusters', 'policies');
    repository.link('LINK.md', 'policies/a.yaml');
    repository.write('policies/latin1.yaml', Buffer.from([0x61, 0xe4, 0x0a]));
    repository.git('update-index', '--add', '--cacheinfo', `160000,${'1'.repeat(40)},regions/module`);
    repository.git('add', 'policies', 'clusters', 'LINK.md');
    repository.git('commit', '--quiet', '--message', 'odd');
    const result = await filesOfRevision(repository.git('rev-parse', 'HEAD'), repository.read);
    const paths = result.ok ? [] : result.problems.map(({ path, message }) => `${path} ${message}`).sort();
    expect(paths).toEqual([
      'clusters is a symbolic link; policy must be a plain file',
      'policies/latin1.yaml the file is not UTF-8',
      'policies/link.yaml is a symbolic link; policy must be a plain file',
      'regions/module is a submodule; policy must be a plain file',
    ]);
  });
});

describe('objects that git would not write', () => {
  const entry = (mode: string, name: string): Buffer => Buffer.concat([Buffer.from(`${mode} ${name}\0`), Buffer.alloc(20, 1)]);

  it.each([
    ['an entry that ends early', entry('100644', 'a').subarray(0, 20)],
    ['no end of name', Buffer.from('100644 aaaa')],
    ['a slash in a name', entry('100644', 'a/b')],
    ['a parent folder', entry('40000', '..')],
    ['.git', entry('40000', '.GIT')],
    ['an unknown mode', entry('100777', 'a')],
    ['a mode that every object has', entry('constructor', 'a')],
    ['a name twice', Buffer.concat([entry('100644', 'a'), entry('100755', 'a')])],
  ])('tree with %s', (_what, data) => {
    expect(() => parseTree(data)).toThrow(expect.objectContaining({ name: 'GitObjectError' }));
  });

  it.each(['', 'tree abc\n\nm', `parent ${'1'.repeat(40)}\n\nm`, `tree ${'1'.repeat(40)}\ntree ${'2'.repeat(40)}\n\nm`])(
    'commit %j',
    (text) => {
      expect(() => parseCommit(Buffer.from(text))).toThrow(expect.objectContaining({ name: 'GitObjectError' }));
    },
  );

  it.each<[string, (data: Uint8Array) => unknown, number]>([
    ['commit', parseCommit, MAX_COMMIT_BYTES],
    ['commit', readCommitLinks, MAX_COMMIT_BYTES],
    ['tree', parseTree, MAX_TREE_BYTES],
  ])('%s of too many bytes', (what, parse, max) => {
    expect(() => parse(Buffer.alloc(max + 1))).toThrow(`the ${what} has ${max + 1} bytes, more than the ${max} that are accepted`);
  });

  it('names parents where Git reads them alone', () => {
    const [tree, first, second] = ['1', '2', '3'].map((digit) => digit.repeat(40));
    const text = `tree ${tree}\nparent ${first}\nparent ${second}\nauthor A <a> 1 +0000\nparent ${tree}\n\nparent ${tree}\n`;
    expect(readCommitLinks(Buffer.from(text))).toEqual({ tree, parents: [first, second] });
    expect(parseCommit(Buffer.from(text)).parents).toEqual([first, second]);
  });

  it('agrees with parseTree on the entry of a name', () => {
    const names = fc.uniqueArray(fc.constantFrom('a', 'signers', 'signer', 'signersx', 'ä', ' signers'), { maxLength: 5 });
    fc.assert(
      fc.property(names, fc.constantFrom('40000', '100644', '120000'), (present, mode) => {
        const tree = Buffer.concat(present.map((name) => entry(mode, name)));
        expect(findTreeEntry(tree, 'signers')).toEqual(parseTree(tree).find(({ name }) => name === 'signers'));
      }),
    );
    const twice = Buffer.concat([entry('40000', 'signers'), entry('100644', 'signers')]);
    for (const tree of [twice, twice.subarray(0, -1), entry('constructor', 'a')])
      expect(() => findTreeEntry(tree, 'signers')).toThrow(expect.objectContaining({ name: 'GitObjectError' }));
  });

  it('reads a signed commit: continuation lines are no headers', () => {
    const text = `tree ${'1'.repeat(40)}\nauthor A <a> 1 +0000\ngpgsig -----BEGIN\n tree ${'2'.repeat(40)}\n -----END\n\nm`;
    expect(parseCommit(Buffer.from(text))).toMatchObject({ tree: '1'.repeat(40), author: 'A <a> 1 +0000', message: 'm' });
  });
});
