import { editsOfTree, objectId, type RawObject } from '@fso/shared/git';
import type { GitObject } from '@fso/shared/protocol';
import { describe, expect, it } from 'vitest';
import { checkObjects, ObjectStore } from './object-store.ts';

const treeOf = (...names: string[]): Buffer =>
  Buffer.concat(names.map((name) => Buffer.concat([Buffer.from(`100644 ${name}\0`), Buffer.alloc(20, name)])));
const [before, after] = [treeOf('a', 'b', 'c'), treeOf('a', 'b', 'new')];
const [base, id] = [objectId('tree', before), objectId('tree', after)];

const holding = (...objects: readonly RawObject[]): ObjectStore => {
  const held = new ObjectStore();
  held.add(new Map(objects.map((object) => [objectId(object.type, object.data), object])));
  return held;
};
type Edited = Extract<GitObject, { base: string }>;
const edits: Edited['edits'] = editsOfTree(before, after).map(({ at, remove, insert }) => [
  at,
  remove,
  Buffer.from(insert).toString('base64'),
]);

describe('a tree sent as differences from a held tree', () => {
  const held = holding({ type: 'tree', data: before });

  it('is rebuilt to its id', async () => {
    const checked = await checkObjects([{ id, base, edits }], held);
    expect(checked.ok && Buffer.from(checked.objects.get(id)?.data ?? [])).toEqual(after);
  });

  it.each([
    ['an edit is left out', []],
    ['an edit was altered', edits.map(([at, remove]) => [at, remove, Buffer.from('other').toString('base64')])],
    ['an edit lies outside', [[before.length + 1, 0, '']]],
  ] as [string, Edited['edits']][])('is refused where %s', async (_what, forged) => {
    expect(await checkObjects([{ id, base, edits: forged }], held)).toMatchObject({
      ok: false,
      missing: false,
      reasons: [{ code: 'object-altered' }],
    });
  });

  it('is requested in full where the other tree is missing or is no tree', async () => {
    const missing = { ok: false, missing: true, reasons: [{ code: 'object-missing' }] };
    expect(await checkObjects([{ id, base, edits }], new ObjectStore())).toMatchObject(missing);
    const blob = objectId('blob', before);
    expect(await checkObjects([{ id, base: blob, edits }], holding({ type: 'blob', data: before }))).toMatchObject(missing);
  });

  it('takes no more memory than an offer may, for an offer of any size', async () => {
    const large = Buffer.alloc(1024 * 1024);
    const many = Array.from({ length: 100 }, (): Edited => ({ id, base: objectId('tree', large), edits: [] }));
    const checked = await checkObjects(many, holding({ type: 'tree', data: large }));
    const reasons = checked.ok ? [] : checked.reasons.map(({ message }) => message);
    expect(reasons.filter((message) => message.includes('more than 0 bytes'))).toHaveLength(92);
  });
});

it('holds the objects of the accepted commit and of the one before it, on which the hub builds until it has the ack', () => {
  const held = new ObjectStore();
  const objects = [treeOf('a'), treeOf('b'), treeOf('c')].map(
    (data) => new Map([[objectId('tree', data), { type: 'tree', data } as const]]),
  );
  const ids = objects.flatMap((each) => [...each.keys()]);
  for (const each of objects) held.accept('', each);
  expect(ids.map((each) => held.get(each) !== undefined)).toEqual([false, true, true]);
  held.clear();
  expect(ids.map((each) => held.get(each))).toEqual([undefined, undefined, undefined]);
});
