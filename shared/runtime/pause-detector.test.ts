import { afterEach, beforeEach, expect, it } from 'vitest';
import { PauseDetector } from './pause-detector.ts';
import { FakeClock } from './testing/fake-clock.ts';

let clock: FakeClock;
let detector: PauseDetector;
let pauses: number[];
let stop: AbortController;
let running: Promise<void>;
let busyMs = 0;

beforeEach(async () => {
  clock = new FakeClock();
  detector = new PauseDetector({ clock, busyMs: () => busyMs });
  busyMs = 0;
  pauses = [];
  stop = new AbortController();
  detector.onPause((pausedMs) => pauses.push(pausedMs));
  running = detector.run(stop.signal);
  await clock.advance(3_000);
});

afterEach(async () => {
  stop.abort();
  await running;
});

it('reports nothing while its ticks are on time or a few seconds late', async () => {
  clock.stall(5_900);
  await clock.advance(10_000);
  expect(pauses).toEqual([]);
});

it('reports once how late a tick was when the process had no processor time', async () => {
  clock.stall(61_000);
  await clock.advance(10_000);
  expect(pauses).toEqual([60_000]);
});

it('notices a suspended machine, whose monotonic clock stood still', async () => {
  clock.shiftWall(3_600_000);
  await clock.advance(10_000);
  expect(pauses).toEqual([3_600_000]);
});

it('counts no pause where the wall clock is set back, and misses none by it', async () => {
  clock.shiftWall(-3_600_000);
  await clock.advance(10_000);
  expect(pauses).toEqual([]);
  clock.shiftWall(-3_600_000);
  clock.stall(31_000);
  await clock.advance(1_000);
  expect(pauses).toEqual([30_000]);
});

it('adds up its pauses, the one that it has not ticked in yet included', async () => {
  clock.stall(31_000);
  expect(detector.pausedMs()).toBe(30_000);
  await clock.advance(1_000);
  expect(detector.pausedMs()).toBe(30_000);
  clock.shiftWall(61_000);
  expect(detector.pausedMs()).toBe(90_000);
  await clock.advance(10_000);
  expect([detector.pausedMs(), pauses]).toEqual([91_000, [30_000, 61_000]]);
});

it('computes the share of late ticks in the last minute', async () => {
  expect(detector.lateShare()).toBe(0);
  for (let tick = 0; tick < 3; tick += 1) {
    clock.stall(2_500);
    await clock.advance(0);
  }
  expect(detector.lateShare()).toBe(0.5);
  await clock.advance(70_000);
  expect(detector.lateShare()).toBe(0);
});

it('forgets a handler', async () => {
  const heard: number[] = [];
  detector.onPause((pausedMs) => heard.push(pausedMs))();
  clock.stall(31_000);
  await clock.advance(1_000);
  expect([pauses.length, heard]).toEqual([1, []]);
});

it('makes a clock that leaves pauses out, before their tick comes as well', async () => {
  const awake = detector.awakeClock();
  const before = awake.monotonicMs();
  clock.stall(61_000);
  expect(awake.monotonicMs() - before).toBeLessThanOrEqual(2_000);
  await clock.advance(1_000);
  expect(awake.monotonicMs() - before).toBeLessThanOrEqual(3_000);
  const suspended = awake.monotonicMs();
  clock.shiftWall(3_600_000);
  expect(awake.monotonicMs()).toBe(suspended);
  await clock.advance(5_000);
  expect(awake.monotonicMs()).toBe(suspended + 5_000);
});

it('counts work that keeps the thread busy as no pause', async () => {
  busyMs += 61_000;
  clock.stall(61_000);
  await clock.advance(10_000);
  expect(pauses).toEqual([]);
  expect(detector.lateShare()).toBeGreaterThan(0);
});
