import { objectId } from '@fso/shared/git';
import git from 'isomorphic-git';
import { describe, expect, it } from 'vitest';
import { ObjectBox } from '../../shared/trust/testing/commits.ts';
import type { Clone } from './git/clone.ts';
import { createRevisionReader } from './object-access.ts';

/** Sets up a history and its readers, of which only objects are used. */
const scene = () => {
  const box = new ObjectBox();
  const asked: string[] = [];
  const object = async (id: string) => {
    asked.push(id);
    const found = box.get(id);
    if (found === undefined) throw new git.Errors.NotFoundError(id);
    return found;
  };
  return { asked, box, reader: createRevisionReader({ object } as Pick<Clone, 'object'> as Clone, 20) };
};

describe('the chain from one commit to another', () => {
  it('follows the line of the branch, though a merged one is shorter', async () => {
    const { box, reader } = scene();
    const root = box.commit({ message: 'root' });
    const side = box.commit({ parents: [root], message: 'side' });
    const one = box.commit({ parents: [root], message: 'one' });
    const two = box.commit({ parents: [one], message: 'two' });
    const merge = box.commit({ parents: [two, side], message: 'merge' });
    expect(await reader.chain(root, merge)).toEqual([one, two, merge]);
    expect(await reader.chain(side, merge)).toEqual([merge]);
    expect(await reader.chain(merge, merge)).toEqual([]);
    expect(await reader.chain(merge, side)).toBeNull();
  });

  it('ends at its limit', async () => {
    const { box, reader } = scene();
    const line = [box.commit({ message: '0' })];
    for (let count = 1; count < 30; count += 1) line.push(box.commit({ parents: [line.at(-1) ?? ''], message: String(count) }));
    expect(await reader.chain(line[15] ?? '', line[29] ?? '')).toEqual(line.slice(16));
    expect(await reader.chain(line[0] ?? '', line[29] ?? '')).toBeNull();
  });

  it('is not searched from a commit that does not exist', async () => {
    const { asked, box, reader } = scene();
    const line = [box.commit({ message: '0' })];
    for (let count = 1; count < 10; count += 1) line.push(box.commit({ parents: [line.at(-1) ?? ''], message: String(count) }));
    expect(await reader.chain('f'.repeat(40), line.at(-1) ?? '')).toBeNull();
    expect(asked).toEqual(['f'.repeat(40)]);
  });

  it('is proven by its commits and their folders, and by the signers where these change', async () => {
    const { box, reader } = scene();
    const first = { allowed_signers: 'ana\n' };
    const [a, b, c] = [
      box.commit({ message: 'a' }),
      box.commit({ signers: first, message: 'b' }),
      box.commit({ signers: first, message: 'c' }),
    ];
    const folder = box.signersTree(first);
    const proof = await reader.proof([a, b, c]);
    expect(proof).toContain(folder);
    expect(new Set(proof).size).toBe(proof.length);
    // Three commits, the root folders with and without signers, the signers' folder and its file.
    expect(proof).toHaveLength(3 + 2 + 2);
  });
});

describe('a folder of which a reader has another version', () => {
  it('is sent as its differences, where they are smaller', async () => {
    const { box, reader } = scene();
    const signers = Object.fromEntries(Array.from({ length: 50 }, (_, n) => [`file-${n}`, `${n}`]));
    const from = box.commit({ signers, message: 'from' });
    const changed = { ...signers, 'file-7': 'other' };
    const to = box.commit({ parents: [from], signers: changed, message: 'to' });
    const [was, is] = [box.signersTree(signers), box.signersTree(changed)];
    const pairs = await reader.counterparts(from, to);
    expect(pairs.get(is)).toBe(was);
    expect(await reader.read(is, was)).toMatchObject({ id: is, base: was, edits: [[expect.any(Number), 34, expect.any(String)]] });
    expect(await reader.read(is)).toMatchObject({ id: is, type: 'tree' });
    const other = box.signersTree({ unlike: 'x' });
    expect(await reader.read(other, was)).toMatchObject({ id: other, type: 'tree' });
    expect(await reader.counterparts(from, from)).toEqual(new Map());
  });

  it('is searched only within the policy', async () => {
    const { asked, box, reader } = scene();
    const entry = (mode: string, name: string, id: string): Buffer =>
      Buffer.concat([Buffer.from(`${mode} ${name}\0`, 'latin1'), Buffer.from(id, 'hex')]);
    const put = (type: 'blob' | 'tree', data: Buffer): string => {
      const id = objectId(type, data);
      box.objects.set(id, { type, data });
      return id;
    };
    const commitOf = (docs: string, parents: readonly string[]): string => {
      const tree = put('tree', entry('40000', 'docs', docs));
      const lines = [`tree ${tree}`, ...parents.map((id) => `parent ${id}`), 'author A <a> 1 +0000', 'committer A <a> 1 +0000', '', 'm'];
      const data = Buffer.from(lines.join('\n'));
      const id = objectId('commit', data);
      box.objects.set(id, { type: 'commit', data });
      return id;
    };
    const odd = (content: string): string => put('tree', entry('100644', 'f\u00fcr.txt', put('blob', Buffer.from(content))));
    const from = commitOf(odd('a'), []);
    const docs = odd('b');
    const to = commitOf(docs, [from]);
    const pairs = await reader.counterparts(from, to);
    expect(pairs.size).toBe(1);
    expect(asked).not.toContain(docs);
  });
});
