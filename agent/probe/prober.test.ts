import { afterEach, describe, expect, it } from 'vitest';
import { ProbeHarness } from './testing/probe-harness.ts';

let harness: ProbeHarness;
afterEach(() => harness.stop.abort());

const NAMES = ['a', 'b', 'c', 'd', 'e'];
const states = (): readonly (string | undefined)[] => NAMES.map((name) => harness.prober.state(name)?.state);
const allOf = (state: string): readonly string[] => NAMES.map(() => state);

/** Starts a harness in which lock 1 is proven in every namespace and the schedule runs. */
const proven = async (): Promise<void> => {
  harness = new ProbeHarness();
  harness.expectLockOne(NAMES);
  await harness.clock.advance(100);
  expect(states()).toEqual(allOf('proven'));
  harness.runSchedule();
};

describe('Prober', () => {
  it.each([['deny'], ['bind']] as const)(
    'notices within seconds that lock 1 is open everywhere (%s), and that it is closed again',
    async (what) => {
      await proven();
      harness.openOne.set('*', [what]);
      await harness.clock.advance(8_000);
      expect(harness.prober.outage).toContain('in every namespace that was probed');
      const before = harness.requests.length;
      await harness.clock.advance(60_000);
      // Two a second of the schedule, twice after a failure, and the sample: not all namespaces
      // again and again.
      expect(harness.requests.length - before).toBeLessThan(60 * 9);
      harness.openOne.clear();
      await harness.clock.advance(4_000);
      expect(harness.prober.outage).toBeUndefined();
      expect(states()).toEqual(allOf('proven'));
    },
  );

  it('notices it also if lock 1 was open from the start', async () => {
    harness = new ProbeHarness();
    harness.openOne.set('*', ['deny']);
    harness.expectLockOne(NAMES);
    await harness.clock.advance(30_000);
    expect(harness.prober.outage).toBeDefined();
  });

  it('distinguishes one open namespace from all', async () => {
    await proven();
    harness.openOne.set('b', ['deny']);
    await harness.clock.advance(30_000);
    expect(harness.prober.outage).toBeUndefined();
    expect(states()).toEqual(['proven', 'failed', 'proven', 'proven', 'proven']);
    expect(harness.prober.state('b')?.message).toContain('was admitted');
    harness.openOne.clear();
    await harness.clock.advance(61_000);
    expect(states()).toEqual(allOf('proven'));
  });

  it('waits no longer than its limit between two probes, however long lock 1 was open', async () => {
    harness = new ProbeHarness(2_000);
    harness.openOne.set('a', ['deny']);
    harness.expectLockOne(['a']);
    await harness.clock.advance(300_000);
    expect([harness.prober.state('a')?.state, harness.prober.outage]).toEqual(['failed', undefined]);
    harness.openOne.clear();
    await harness.clock.advance(3_000);
    expect(harness.prober.state('a')?.state).toBe('proven');
  });

  it('does not end an outage because one namespace is closed again', async () => {
    await proven();
    harness.openOne.set('*', ['deny']);
    await harness.clock.advance(8_000);
    harness.openOne.delete('*');
    for (const name of NAMES.slice(1)) harness.openOne.set(name, ['deny']);
    await harness.clock.advance(10_000);
    expect(harness.prober.outage).toBeDefined();
  });

  it('does not keep a proof without confirmation for ever', async () => {
    await proven();
    harness.foreign.add('*');
    await harness.clock.advance(20_000);
    expect(states()).toEqual(allOf('proven'));
    await harness.clock.advance(60_000);
    expect(states()).toEqual(allOf('unanswered'));
    harness.foreign.clear();
    await harness.clock.advance(61_000);
    expect(states()).toEqual(allOf('proven'));
  });

  it('requires the text in force also of the bind gate', async () => {
    harness = new ProbeHarness();
    harness.bindRegions = 'us';
    harness.expectLockOne(NAMES);
    await harness.clock.advance(20_000);
    expect(states()).toEqual(allOf('failed'));
    expect(harness.prober.state('a')?.message).toContain('still enforces something else');
  });

  it('sends only the first probe until the API server has the new regions, then all of them', async () => {
    harness = new ProbeHarness();
    harness.regions = 'us';
    harness.expectLockOne(['a']);
    await harness.clock.advance(50);
    expect(new Set(harness.requests.map(({ what }) => what))).toEqual(new Set(['deny']));
    harness.regions = 'eu';
    await harness.clock.advance(1_000);
    expect(harness.prober.state('a')?.state).toBe('proven');
    expect(new Set(harness.requests.map(({ what }) => what))).toEqual(new Set(['deny', 'admit', 'bind']));
  });

  it('proves a new list of regions by one that is new in it, also if the labels were written meanwhile', async () => {
    harness = new ProbeHarness();
    for (const regions of [['eu'], ['eu', 'us']]) {
      harness.regions = regions.join(',');
      harness.expectLockOne([], { governed: ['a'] });
      harness.expectLockOne(['a'], { regions });
      await harness.clock.advance(2_000);
      expect(harness.prober.state('a')?.state).toBe('proven');
    }
    expect(harness.admitted).toEqual(['eu', 'us']);
  });

  it('holds a proof for a while when only the governance changes, not when the floor does', async () => {
    harness = new ProbeHarness();
    harness.expectLockOne(NAMES);
    await harness.clock.advance(100);
    harness.expectLockOne(NAMES, { regions: ['eu', 'us'] });
    expect(harness.prober.state('a')).toMatchObject({ state: 'pending', held: true });
    // The floor keeps its old text: the proof is not held for ever.
    await harness.clock.advance(15_000);
    expect(harness.prober.state('a')).toMatchObject({ state: 'failed', held: false });
    harness.regions = 'eu,us';
    await harness.clock.advance(61_000);
    expect(states()).toEqual(allOf('proven'));
    harness.expectLockOne(NAMES, { regions: ['eu', 'us'], floorVersion: 2 });
    expect([harness.prober.state('a')?.held, harness.prober.pendingCount]).toEqual([false, NAMES.length]);
    await harness.clock.advance(15_000);
    expect([harness.prober.state('a')?.state, harness.prober.pendingCount]).toEqual(['proven', 0]);
  });
});
