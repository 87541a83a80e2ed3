import { describe, expect, it } from 'vitest';
import { KubeConnectionError } from '../errors.ts';
import { NAMESPACE_KIND } from '../kinds.ts';
import type { RawRequest } from '../types.ts';
import type { KubeClient } from './client.ts';
import { listAll } from './list.ts';

const { signal } = new AbortController();

/** Lists `count` objects from a server that answers a page by `failureOf`, or with the objects. */
const listFrom = async (count: number, failureOf: (limit: number, start: number) => 'timedOut' | 'tooLarge' | undefined) => {
  const sizes: number[] = [];
  const raw = ({ query }: RawRequest): Promise<unknown> => {
    const [start, limit] = [Number(query?.['continue'] ?? 0), Number(query?.['limit'])];
    sizes.push(limit);
    const failure = failureOf(limit, start);
    if (failure !== undefined) return Promise.reject(new KubeConnectionError('no page', { [failure]: true }));
    const end = Math.min(count, start + limit);
    const items = Array.from({ length: end - start }, (_, index) => ({ metadata: { name: `n${start + index}` } }));
    const metadata = { resourceVersion: '1', ...(end < count && { continue: String(end) }) };
    return Promise.resolve({ object: { metadata, items }, warnings: [] });
  };
  const { items } = await listAll({ raw } as unknown as KubeClient, { kind: NAMESPACE_KIND, options: {} }, signal);
  return { sizes, items };
};

describe('the pages of a list', () => {
  it('stay short after a timeout: a server that is too slow for a page is so for the next one', async () => {
    const { sizes, items } = await listFrom(10_000, (limit) => (limit > 100 ? 'timedOut' : undefined));
    expect(items).toHaveLength(10_000);
    expect([...new Set(sizes)]).toEqual([500, 63]);
    expect(sizes).toHaveLength(1 + Math.ceil(10_000 / 63));
  });

  it('fail at the second timeout of one page', async () => {
    await expect(listFrom(10, () => 'timedOut')).rejects.toMatchObject({ timedOut: true });
  });

  it('do not try a size that was too large before 16 pages have passed', async () => {
    const { sizes, items } = await listFrom(10_000, (limit) => (limit > 250 ? 'tooLarge' : undefined));
    expect(items).toHaveLength(10_000);
    expect(sizes.flatMap((size, index) => (size === 500 ? [index] : []))).toEqual([0, 17, 34]);
    expect(sizes).toHaveLength(10_000 / 250 + 3);
  });

  it('grow to below the size that was too large, and beyond once that fits', async () => {
    const { sizes } = await listFrom(20_000, (limit, start) => (start < 100 && limit > 30 ? 'tooLarge' : undefined));
    expect(sizes.slice(0, 7)).toEqual([500, 250, 125, 63, 32, 16, 16]);
    expect(sizes.at(-1)).toBe(500);
  });
});
