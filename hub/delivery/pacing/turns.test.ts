import { expect, it } from 'vitest';
import { Turns } from './turns.ts';

it('gives each item one consecutive turn, also while others join and leave', () => {
  const turns = new Turns<number>(4);
  const round = (): number[][] => Array.from({ length: 4 }, () => [...turns.take()]);
  for (let item = 0; item < 10; item += 1) turns.add(item);
  expect(round().map((items) => items.length)).toEqual([3, 3, 2, 2]);
  for (let item = 0; item < 8; item += 1) turns.delete(item);
  for (let item = 10; item < 16; item += 1) turns.add(item);
  const items = round();
  expect(items.map(({ length }) => length)).toEqual([2, 2, 2, 2]);
  expect(items.flat().toSorted((a, b) => a - b)).toEqual([8, 9, 10, 11, 12, 13, 14, 15]);
  expect(round()).toEqual(items);
});
