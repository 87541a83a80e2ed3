import { expect, it } from 'vitest';
import { listText, shortRevision } from './text.ts';

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
