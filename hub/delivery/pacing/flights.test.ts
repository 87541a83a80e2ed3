import { FakeClock } from '@fso/shared/fake-clock';
import { expect, it } from 'vitest';
import { Flights } from './flights.ts';

const open = (maxBytes: number) => {
  const clock = new FakeClock();
  const flights = new Flights(maxBytes, clock);
  const landedOf = new Map<string, () => void>();
  const take = (name: string, bytes: number): void => flights.take(bytes, (landed) => void landedOf.set(name, landed));
  return { clock, take, started: () => [...landedOf.keys()], land: (name: string) => landedOf.get(name)?.() };
};

it('lets so many bytes be on their way, the others in their order; one that is larger goes alone', () => {
  const { take, started, land } = open(10);
  take('a', 4);
  take('b', 6);
  take('large', 50);
  take('c', 1);
  expect(started()).toEqual(['a', 'b']);
  land('a');
  // To land twice makes room once.
  land('a');
  expect(started()).toEqual(['a', 'b']);
  land('b');
  expect(started()).toEqual(['a', 'b', 'large']);
  land('large');
  expect(started()).toEqual(['a', 'b', 'large', 'c']);
});

it('waits a second for a connection that does not drain, and counts it once when it does after all', async () => {
  const { clock, take, started, land } = open(10);
  take('stalled', 10);
  take('a', 10);
  take('b', 10);
  await clock.advance(900);
  expect(started()).toEqual(['stalled']);
  await clock.advance(200);
  expect(started()).toEqual(['stalled', 'a']);
  land('stalled');
  expect(started()).toEqual(['stalled', 'a']);
  land('a');
  expect(started()).toEqual(['stalled', 'a', 'b']);
});

it('goes on where nothing was sent in a turn', () => {
  const flights = new Flights(1, new FakeClock());
  const turns: string[] = [];
  flights.take(1, () => undefined);
  for (const name of ['a', 'b'])
    flights.take(1, (landed) => {
      turns.push(name);
      landed();
    });
  expect(turns).toEqual([]);
  const other = new Flights(1, new FakeClock());
  for (const name of ['a', 'b'])
    other.take(1, (landed) => {
      turns.push(name);
      landed();
    });
  expect(turns).toEqual(['a', 'b']);
});
