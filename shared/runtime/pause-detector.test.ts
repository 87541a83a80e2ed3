import { afterEach, beforeEach, expect, it } from 'vitest';
import { PauseDetector } from './pause-detector.ts';
import { FakeClock } from './testing/fake-clock.ts';

let clock: FakeClock;
let detector: PauseDetector;
let pauses: number[];
let stop: AbortController;
let running: Promise<void>;

beforeEach(async () => {
  clock = new FakeClock();
  detector = new PauseDetector({ clock });
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

it('says nothing while its ticks come in time, or a few seconds late', async () => {
  clock.stall(5_900);
  await clock.advance(10_000);
  expect(pauses).toEqual([]);
});

it('says once by how much a tick was late, where the process had no processor time', async () => {
  clock.stall(61_000);
  await clock.advance(10_000);
  expect(pauses).toEqual([60_000]);
});

it('notices a suspended machine, whose monotonic clock stood still', async () => {
  clock.shiftWall(3_600_000);
  await clock.advance(10_000);
  expect(pauses).toEqual([3_600_000]);
});

it('takes a wall clock that is set back for no pause, and sees none less for it', async () => {
  clock.shiftWall(-3_600_000);
  await clock.advance(10_000);
  expect(pauses).toEqual([]);
  clock.shiftWall(-3_600_000);
  clock.stall(31_000);
  await clock.advance(1_000);
  expect(pauses).toEqual([30_000]);
});

it('says which share of the ticks of the last minute was late', async () => {
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
