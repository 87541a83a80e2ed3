import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { listText, notKeptText, shortRevision, truncate } from './text.ts';

it('shortens revisions', () => {
  expect([shortRevision('0123456789abcdef'), shortRevision(null), shortRevision(undefined, 'no commit')]).toEqual([
    '01234567',
    '-',
    'no commit',
  ]);
});

it('cuts lists to a readable length', () => {
  const items = Array.from({ length: 12 }, (_, index) => String(index));
  expect([listText(['a', 'b']), listText(items)]).toEqual(['a, b', '0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more']);
});

it('reports how many policies of a cluster are not kept, and why', () => {
  expect([1, 1_234].map(notKeptText)).toEqual([
    '1 more policy is not kept: the cluster has more than the hub keeps of one.',
    '1,234 more policies are not kept: the cluster has more than the hub keeps of one.',
  ]);
});

describe('the beginning of a text', () => {
  it('ends before a character that does not fit whole', () => {
    expect([truncate('abc', 3), truncate('abc', 2), truncate('a😀', 2), truncate('\uFEFFab', 2)]).toEqual([
      'abc',
      'ab',
      'a\uFFFD',
      '\uFEFFa',
    ]);
  });

  it('does not keep the text in memory', () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const megabyteOf = (index: number): string => JSON.parse(JSON.stringify(`${index}${'x'.repeat(1_000_000)}`)) as string;
    collect();
    const before = process.memoryUsage().heapUsed;
    const kept = Array.from({ length: 50 }, (_, index) => truncate(megabyteOf(index), 1_000));
    collect();
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(10_000_000);
    expect(kept).toHaveLength(50);
  });
});
