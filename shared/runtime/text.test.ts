import { expect, it } from 'vitest';
import { listText, notKeptText, shortRevision } from './text.ts';

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

it('says how many policies of a cluster are not kept, and why', () => {
  const texts = ([1, 234, 1_000, null] as const).map((policies) => notKeptText({ policies, reason: 'quota' }).split(':')[0]);
  expect(texts).toEqual([
    '1 more policy is not kept',
    '234 more policies are not kept',
    '1,000 or more policies are not kept',
    'Its policies are not kept',
  ]);
  expect(notKeptText({ policies: 2, reason: 'memory' })).toContain('all clusters together');
});
