import { FakeClock } from '@fso/shared/fake-clock';
import { expect, it } from 'vitest';
import { OfferLimit } from './offer-limit.ts';

const open = (maxBytes: number) => {
  const clock = new FakeClock();
  const limit = new OfferLimit(maxBytes, clock);
  const doneOf = new Map<string, () => void>();
  const take = (name: string, bytes: number): void =>
    limit.enter(
      () => bytes,
      (done) => void doneOf.set(name, done),
    );
  return { clock, limit, take, started: () => [...doneOf.keys()], finish: (name: string) => doneOf.get(name)?.() };
};

it('lets a bounded number of bytes be under way, others in their order; a larger offer goes alone', () => {
  const { take, started, finish } = open(10);
  take('a', 4);
  take('b', 6);
  take('large', 50);
  take('c', 1);
  expect(started()).toEqual(['a', 'b']);
  finish('a');
  // To be done twice makes room once.
  finish('a');
  expect(started()).toEqual(['a', 'b']);
  finish('b');
  expect(started()).toEqual(['a', 'b', 'large']);
  finish('large');
  expect(started()).toEqual(['a', 'b', 'large', 'c']);
});

it('waits a second for a connection that does not drain, and counts it once when it does after all', async () => {
  const { clock, take, started, finish } = open(10);
  take('stalled', 10);
  take('a', 10);
  take('b', 10);
  await clock.advance(900);
  expect(started()).toEqual(['stalled']);
  await clock.advance(200);
  expect(started()).toEqual(['stalled', 'a']);
  finish('stalled');
  expect(started()).toEqual(['stalled', 'a']);
  finish('a');
  expect(started()).toEqual(['stalled', 'a', 'b']);
});

it('continues where nothing was sent in a turn, for any number of turns', () => {
  const { limit, take, finish } = open(1);
  let turns = 0;
  take('first', 1);
  for (let at = 0; at < 20_000; at += 1)
    limit.enter(
      () => 1,
      (done) => {
        turns += 1;
        done();
      },
    );
  expect(turns).toBe(0);
  finish('first');
  expect(turns).toBe(20_000);
});

it('counts an offer by its size at its turn', () => {
  const { limit, take, started, finish } = open(10);
  const grown: string[] = [];
  let size = 1;
  take('first', 10);
  limit.enter(
    () => size,
    () => grown.push('grown'),
  );
  take('next', 1);
  size = 10;
  finish('first');
  expect([grown, started()]).toEqual([['grown'], ['first']]);
});
