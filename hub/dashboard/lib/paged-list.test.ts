import { describe, expect, it } from 'vitest';
import { mergeFirst } from './paged-list.ts';

type Row = readonly [key: string, value: number];

const page = (keys: string, next: string | null, value = 0) => ({
  items: [...keys].map((key): Row => [key, value]),
  total: 100,
  next,
});
const list = (...pages: ReturnType<typeof page>[]) => ({ pages, pageParams: pages.map((_page, at) => (at === 0 ? null : String(at))) });
const keysOf = (merged: ReturnType<typeof mergeFirst<Row>>) => merged?.pages.map(({ items }) => items.map(([key]) => key).join(''));

const merge = (data: ReturnType<typeof list>, first: ReturnType<typeof page>) => mergeFirst<Row>(data, first, ([key]) => key);

describe('the first page of a long list, read again', () => {
  const data = list(page('abc', '1'), page('def', '2'), page('ghi', '3'));

  it('brings new rows to the top and loses none', () => {
    expect(keysOf(merge(data, page('xab', 'x')))).toEqual(['xab', 'cdef', 'ghi']);
  });

  it('changes rows, and moves and drops them', () => {
    const merged = merge(data, page('ahc', '1', 7));
    expect(keysOf(merged)).toEqual(['ahc', 'def', 'gi']);
    expect(merged?.pages[0]?.items[0]).toEqual(['a', 7]);
  });

  it('shows the new total, and keeps the cursor', () => {
    const merged = merge(data, { ...page('abc', '1'), total: 101 });
    expect(merged?.pages.map(({ total }) => total)).toEqual([101, 101, 101]);
    expect(merged?.pages.at(-1)?.next).toBe('3');
    expect(merged?.pageParams).toEqual(data.pageParams);
  });

  it('cannot be joined without a common row', () => {
    expect(merge(data, page('xyz', 'x'))).toBeUndefined();
  });

  it('is the whole list where nothing follows it', () => {
    expect(keysOf(merge(data, page('ab', null)))).toEqual(['ab']);
  });
});
