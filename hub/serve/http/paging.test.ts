import type { Page } from '@fso/shared/api';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Orders, SortedPage, type SortedQuery } from './paging.ts';

interface Item {
  readonly name: string;
  readonly size: number;
}
const orders: Orders<Item, 'name' | 'size'> = { keyOf: ({ name }) => name, by: { name: ({ name }) => name, size: ({ size }) => size } };
const item = fc.record({ name: fc.string({ maxLength: 3 }), size: fc.nat(2) });
const items = fc.uniqueArray(item, { selector: ({ name }) => name, maxLength: 12 });
const sort = fc.constantFrom('name', '-name', 'size', '-size');

const sortedPage = <T, S extends string>(list: readonly T[], by: Orders<T, S>, query: SortedQuery<S>): Page<T> => {
  const page = new SortedPage(by, query);
  for (const one of list) page.add(one);
  return page.end();
};

/** Reads to the last page; the list may change before each. */
const readAll = (lists: readonly (readonly Item[])[], by: 'name' | '-name' | 'size' | '-size', limit: number): Item[] => {
  const found: Item[] = [];
  let cursor: string | undefined;
  for (let n = 0; ; n += 1) {
    const page = sortedPage(lists[Math.min(n, lists.length - 1)] ?? [], orders, { sort: by, limit, cursor });
    found.push(...page.items);
    if (page.next === null) return found;
    cursor = page.next;
  }
};

describe('pages of a sorted list', () => {
  it('are the list in its order', () => {
    fc.assert(
      fc.property(items, sort, fc.integer({ min: 1, max: 5 }), (list, by, limit) => {
        const whole = sortedPage(list, orders, { sort: by, limit: 500 });
        expect(whole.next).toBeNull();
        expect(readAll([list], by, limit)).toEqual(whole.items);
        const back = by.startsWith('-') ? by.slice(1) : `-${by}`;
        expect(readAll([list], back as 'size', limit)).toEqual(whole.items.toReversed());
      }),
    );
  });

  it('are the same for a list much longer than a page, with items in any order', () => {
    const list = Array.from({ length: 2_000 }, (_, n) => ({ name: `n${(n * 1_237) % 2_000}`, size: n % 7 }));
    for (const by of ['name', '-name', 'size', '-size'] as const) {
      const whole = sortedPage(list, orders, { sort: by, limit: 2_000 });
      for (const from of [list, whole.items, whole.items.toReversed()]) {
        const first = sortedPage(from, orders, { sort: by, limit: 3 });
        expect([first.items, first.total]).toEqual([whole.items.slice(0, 3), 2_000]);
        const second = sortedPage(from, orders, { sort: by, limit: 300, cursor: first.next ?? '' });
        expect(second.items).toEqual(whole.items.slice(3, 303));
      }
    }
  });

  it('neither skip nor repeat items that stay, while others come and go', () => {
    fc.assert(
      fc.property(items, items, sort, fc.integer({ min: 1, max: 3 }), (list, others, by, limit) => {
        const more = [...list, ...others.filter(({ name }) => !list.some((known) => known.name === name))];
        const names = readAll([more, list, more, list], by, limit).map(({ name }) => name);
        expect(new Set(names).size).toBe(names.length);
        for (const { name } of list) expect(names).toContain(name);
      }),
    );
  });

  it('end early where the items are large, but never without one', () => {
    const heavy = { ...orders, weightOf: ({ size }: Item) => size };
    const list = [3000, 600, 400, 200].map((size, n) => ({ name: `${n}`, size }));
    const page = sortedPage(list, heavy, { sort: 'name', limit: 10 });
    expect(page.items.map(({ size }) => size)).toEqual([3000]);
    const next = sortedPage(list, heavy, { sort: 'name', limit: 10, cursor: page.next ?? '' });
    expect([next.items.map(({ size }) => size), next.next === null]).toEqual([[600, 400], false]);
  });
});
