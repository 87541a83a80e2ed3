import { FakeClock } from '@fso/shared/fake-clock';
import { type Ages, encodeAges } from '@fso/shared/protocol';
import { beforeEach, expect, it } from 'vitest';
import { AgentObservation, findOutOfDate } from './observation.ts';

const LIMITS = { partMs: 75_000, kindMs: 165_000 };
const agesOf = (change: Partial<Ages> = {}): Ages => ({ oldestPartMs: 10_000, oldestKindMs: 60_000, outOfDate: [], ...change });

it.each([
  ['nothing, where all is young enough', agesOf(), 65_000, []],
  ['its work, where that ran too long ago', agesOf(), 65_001, ['reconcile']],
  ['its watches, where the news of a kind are too old', agesOf({ oldestPartMs: 0, oldestKindMs: 165_001 }), 0, ['watch']],
  ['both', agesOf(), 165_001, ['reconcile', 'watch']],
  ['what the agent names, before all else', agesOf({ outOfDate: ['Pod', 'bit-31'] }), 300_000, ['Pod', 'bit-31']],
])('finds out of date: %s', (_what, ages, elapsedMs, expected) => {
  expect(findOutOfDate(ages, elapsedMs, LIMITS)).toEqual(expected);
});

let clock: FakeClock;
let observation: AgentObservation;
beforeEach(() => {
  clock = new FakeClock();
  observation = new AgentObservation(LIMITS, clock);
});

it('treats a cluster as unknown whose agent sends no ages, or none since a pause', async () => {
  expect([observation.hear(Buffer.alloc(0)), observation.forget(), observation.outOfDate()]).toEqual([false, false, undefined]);
  expect([observation.hear(encodeAges(agesOf())), observation.outOfDate()]).toEqual([true, []]);
  await clock.advance(3_600_000);
  expect([observation.forget(), observation.outOfDate()]).toEqual([true, undefined]);
});

it('lets ages grow until the next pong', async () => {
  observation.hear(encodeAges(agesOf()));
  await clock.advance(66_000);
  expect(observation.outOfDate()).toEqual(['reconcile']);
  observation.hear(encodeAges(agesOf()));
  expect(observation.outOfDate()).toEqual([]);
});

it('keeps the first names for a minute while something is out of date', async () => {
  const say = (...outOfDate: string[]) => {
    observation.hear(encodeAges(agesOf({ outOfDate })));
    return observation.outOfDate();
  };
  expect([say('Pod'), say('Node'), say('Node', 'Pod')]).toEqual([['Pod'], ['Pod'], ['Pod']]);
  await clock.advance(60_000);
  expect([say('Node'), say(), say('Pod')]).toEqual([['Node'], [], ['Pod']]);
});
