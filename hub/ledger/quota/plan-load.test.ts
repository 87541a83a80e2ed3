import { expect, it } from 'vitest';
import { planLoad, refuseLoad, storedSize } from './plan-load.ts';
import { reportLimits } from './report-memory.ts';

const KIB = 1024;
const sizeOf = (cluster: string, bytes: number) => ({ cluster, bytes, facts: 0, weight: bytes });

it('reads the smallest clusters first, a bounded part at a time', () => {
  const sizes = [
    sizeOf('huge', 100_000 * KIB),
    sizeOf('b', 1_000 * KIB),
    sizeOf('a', 1_000 * KIB),
    sizeOf('empty', 0),
    sizeOf('c', 900 * KIB),
  ];
  const names = planLoad(sizes).map((part) => part.map(({ cluster }) => cluster));
  expect(names).toEqual([['empty', 'c', 'a'], ['b'], ['huge']]);
  const many = Array.from({ length: 250 }, (_, at) => sizeOf(`c${at}`, 1));
  expect(planLoad(many).map(({ length }) => length)).toEqual([100, 100, 50]);
  expect(planLoad([])).toEqual([]);
});

it('takes reports whose number is not known for as many as they can be', () => {
  const size = { cluster: 'eu', bytes: 3_300, facts: 500 };
  expect(storedSize(size)).toEqual({ ...size, weight: 3_800 + 10 * 3 * KIB });
  expect(storedSize(size, 2).weight).toBe(3_800 + 2 * 3 * KIB);
});

it('refuses a cluster beyond its quota, and what there is no memory for', () => {
  const limits = { ...reportLimits(), clusterBytes: 10, memoryBytes: 25 };
  const refuse = (bytes: number, total: number) => refuseLoad(sizeOf('eu', bytes), total, limits);
  expect([refuse(10, 15), refuse(11, 0), refuse(10, 16)]).toEqual([undefined, 'quota', 'memory']);
});
