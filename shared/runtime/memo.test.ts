import { expect, it } from 'vitest';
import { memoByKey, memoByText, StepMemo, weakMemo2 } from './memo.ts';

it('computes once for the same objects', () => {
  let calls = 0;
  const pair = weakMemo2((a: { n: number }, b: { n: number }) => {
    calls += 1;
    return a.n + b.n;
  });
  const [one, two] = [{ n: 1 }, { n: 2 }];
  expect([pair(one, two), pair(one, two), pair(two, one), pair({ n: 1 }, two), calls]).toEqual([3, 3, 3, 3, 3]);
});

it('takes a value that was computed from the one before, an absent one too', () => {
  const made: string[] = [];
  const memo = new StepMemo((key: { text: string }) => {
    made.push(key.text);
    return key.text === '' ? undefined : key.text;
  });
  const [noted, empty] = [{ text: 'noted' }, { text: '' }];
  memo.note(noted, 'noted');
  expect([memo.get(noted), memo.get(empty), memo.get(empty), made]).toEqual(['noted', undefined, undefined, ['']]);
});

it('computes once for each key, an absent value too', () => {
  const made: string[] = [];
  const lengthOf = memoByKey((key: string) => {
    made.push(key);
    return key === '' ? undefined : key.length;
  });
  expect([lengthOf('ab'), lengthOf(''), lengthOf('ab'), lengthOf(''), made]).toEqual([2, undefined, 2, undefined, ['ab', '']]);
});

it('gives the same object for equal values', () => {
  const shared = memoByText(
    (name: string, count: number) => `${name} ${count}`,
    (name, count) => ({ name, count }),
  );
  const first = shared('a', 1);
  expect(first).toEqual({ name: 'a', count: 1 });
  expect(shared('a', 1)).toBe(first);
  expect(shared('a', 2)).not.toBe(first);
});
