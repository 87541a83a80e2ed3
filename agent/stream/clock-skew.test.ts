import type { ClusterEvent } from '@fso/shared/api';
import { FakeClock } from '@fso/shared/fake-clock';
import { expect, it } from 'vitest';
import { ClockSkew } from './clock-skew.ts';

const START = new Date('2026-01-03T10:30:00.000Z');
const hubTime = (ms: number): string => new Date(START.getTime() + ms).toISOString();

it('is measured against the middle of hello and welcome', async () => {
  const clock = new FakeClock(START);
  const skew = new ClockSkew(clock, () => undefined);
  expect(skew.ms).toBeUndefined();
  skew.greeted();
  await clock.advance(400);
  // The hub answered in the middle, and its clock was 5 s behind.
  skew.welcomed(hubTime(200 - 5_000));
  expect(skew.ms).toBe(5_000);
});

it('is a warning beyond 30 s, once until it is corrected', () => {
  const events: ClusterEvent[] = [];
  const skew = new ClockSkew(new FakeClock(START), (event) => events.push(event));
  for (const ms of [29_000, 31_000, 60_000, 0, -31_000]) {
    skew.greeted();
    skew.welcomed(hubTime(ms));
  }
  expect(events.map(({ reason, message }) => [reason, message])).toEqual([
    ['ClockSkewed', 'The clock of the agent is 31 s behind that of the hub.'],
    ['ClockSkewed', 'The clock of the agent is 31 s ahead of that of the hub.'],
  ]);
});
