import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import fs, { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import git from 'isomorphic-git';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { GitTransportError } from './git-errors.ts';
import { receivePack } from './receive-pack.ts';

const MIB = 1024 * 1024;
const never = new AbortController().signal;
let folder: string;
let gitdir: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'fso-receive-'));
  runGit(['init', '--quiet']);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));
beforeEach(async () => {
  gitdir = mkdtempSync(join(folder, 'clone-'));
  await git.init({ fs, gitdir, bare: true });
});

const runGit = (args: readonly string[], input?: string): Buffer =>
  execFileSync('git', args, {
    cwd: folder,
    stdio: 'pipe',
    maxBuffer: 64 * MIB,
    ...(input !== undefined && { input }),
    env: { PATH: process.env['PATH'], HOME: folder },
  });

/** @returns the answer of a server that sends one file, and the id of the file */
const answerWith = (content: Buffer): { answer: Buffer<ArrayBuffer>; id: string } => {
  writeFileSync(join(folder, 'file'), content);
  const id = runGit(['hash-object', '-w', 'file']).toString().trim();
  const answer = Buffer.concat([Buffer.from('0008NAK\n'), runGit(['pack-objects', '--stdout'], `${id}\n`)]);
  // With a buffer of its own, as an answer has that was read.
  return { answer: Buffer.from(new Uint8Array(answer).buffer), id };
};
const packs = (): string[] => readdirSync(join(gitdir, 'objects', 'pack'));
const stored = async (id: string): Promise<Buffer> =>
  Buffer.from((await git.readObject({ fs, gitdir, oid: id, format: 'content' })).object as Uint8Array);

describe('a pack that arrives', () => {
  it('is passed on unchanged where it is small', async () => {
    const { answer } = answerWith(Buffer.from('a policy'));
    expect(await receivePack(answer, gitdir, never)).toBe(answer);
    expect(packs()).toEqual([]);
  });

  it.each([
    ['large', randomBytes(3 * MIB)],
    ['small, and of large objects', Buffer.alloc(6 * MIB, 'x')],
  ])('is stored by a thread where it is %s', async (_title, content) => {
    const { answer, id } = answerWith(content);
    expect((await receivePack(answer, gitdir, never)).toString()).toBe('0008NAK\n');
    expect(packs().map((name) => name.split('.')[1])).toEqual(['idx', 'pack']);
    expect(readdirSync(gitdir)).not.toContain('incoming');
    expect((await stored(id)).equals(content)).toBe(true);
  });

  it('is refused where it is broken, also by the thread', async () => {
    const { answer } = answerWith(randomBytes(2 * MIB));
    answer.fill(0, MIB);
    await expect(receivePack(answer, gitdir, never)).rejects.toThrow(
      new GitTransportError('the Git server sent a pack that cannot be read'),
    );
    expect(packs()).toEqual([]);
  });

  it('is refused where there is none in a large answer', async () => {
    const answer = Buffer.from(new Uint8Array(Buffer.from(`0008NAK\n${`03e8${'x'.repeat(996)}`.repeat(2_000)}`)).buffer);
    await expect(receivePack(answer, gitdir, never)).rejects.toThrow(new GitTransportError('the Git server sent no pack'));
  });

  it('is abandoned where the fetch ends meanwhile', async () => {
    const { answer } = answerWith(randomBytes(2 * MIB));
    const stop = new AbortController();
    const received = receivePack(answer, gitdir, stop.signal);
    stop.abort(new Error('too late'));
    await expect(received).rejects.toThrow('too late');
    expect(packs()).toEqual([]);
  });
});
