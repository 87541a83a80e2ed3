import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { applyEdits, editsOfTree } from './tree-edits.ts';

const entry = (mode: string, name: string, version: number): Buffer =>
  Buffer.concat([Buffer.from(`${mode} ${name}\0`), createHash('sha1').update(`${name} ${version}`).digest()]);
const treeOf = (files: readonly (readonly [string, number])[]): Buffer =>
  Buffer.concat(files.map(([name, version]) => entry(name.startsWith('d') ? '40000' : '100644', name, version)));

const trees = fc
  .uniqueArray(fc.tuple(fc.stringMatching(/^[a-eä]{1,2}$/), fc.nat(2)), { selector: ([name]) => name, maxLength: 12 })
  .map(treeOf);
const MAX = 1_000_000;

describe('edits of a tree', () => {
  it('turn it into the other tree, with entries in any order', () => {
    fc.assert(
      fc.property(trees, trees, (before, after) => {
        const edits = editsOfTree(before, after);
        expect(Buffer.from(applyEdits(before, edits, MAX))).toEqual(after);
        expect(edits.length).toBeLessThanOrEqual(13);
      }),
    );
  });

  it('are one entry where one file of a thousand has changed, was added or is gone', () => {
    const names = Array.from({ length: 1_000 }, (_, n) => `policy-${String(n).padStart(4, '0')}.yaml`);
    const before = treeOf(names.map((name) => [name, 0]));
    const [changed, added, gone] = [
      treeOf(names.map((name, n) => [name, n === 500 ? 1 : 0])),
      treeOf([...names, 'policy-9999.yaml'].map((name) => [name, 0])),
      treeOf(names.filter((_, n) => n !== 500).map((name) => [name, 0])),
    ];
    const sizes = [changed, added, gone].map((after) => editsOfTree(before, after).map(({ insert }) => insert.byteLength));
    const one = entry('100644', 'policy-0500.yaml', 0).length;
    expect(sizes).toEqual([[one], [one], [0]]);
    expect(editsOfTree(before, before)).toEqual([]);
  });

  it.each([
    ['begins after the end', [{ at: 41, remove: 0, insert: Buffer.alloc(0) }]],
    ['removes more than there is', [{ at: 39, remove: 2, insert: Buffer.alloc(0) }]],
    [
      'goes back',
      [
        { at: 20, remove: 5, insert: Buffer.alloc(0) },
        { at: 24, remove: 0, insert: Buffer.alloc(0) },
      ],
    ],
    ['makes too much', [{ at: 0, remove: 0, insert: Buffer.alloc(61) }]],
  ])('are refused where one %s', (_what, edits) => {
    expect(() => applyEdits(Buffer.alloc(40), edits, 100)).toThrow(expect.objectContaining({ name: 'GitObjectError' }));
  });
});
