import { afterEach, describe, expect, it } from 'vitest';
import { ProbeHarness } from './testing/probe-harness.ts';

let harness: ProbeHarness;
afterEach(() => harness.stop.abort());

describe('runProbeSchedule', () => {
  it('sends two requests a second, each kind in turn, and probes lock 2 every two seconds', async () => {
    harness = new ProbeHarness();
    const names = Array.from({ length: 9 }, (_, index) => `n${index}`);
    harness.expect(names);
    harness.expectLockOne(names);
    await harness.clock.advance(500);
    harness.runSchedule();
    harness.requests.length = 0;
    await harness.clock.advance(60_000);
    expect(harness.requests.length).toBe(120);
    expect(harness.requests.filter(({ what }) => what === 'canary').length).toBe(30);
    for (const what of ['deny', 'admit', 'bind', 'canary']) {
      expect(new Set(harness.requests.filter((request) => request.what === what).map(({ namespace }) => namespace)).size, what).toBe(9);
    }
    // No namespace waits longer than one round of all.
    const gaps = names.map((name) => harness.requests.flatMap(({ namespace }, index) => (namespace === name ? index : [])));
    for (const turns of gaps)
      for (const [index, turn] of turns.entries()) expect(turn - (turns[index - 1] ?? turn)).toBeLessThanOrEqual(18);
  });

  it('has a guard take one of twenty turns, and none from lock 2', async () => {
    harness = new ProbeHarness();
    harness.expect(['a', 'b']);
    harness.expectLockOne(['a', 'b']);
    harness.expectGuards();
    await harness.clock.advance(500);
    harness.runSchedule();
    harness.requests.length = 0;
    await harness.clock.advance(100_000);
    const count = (...kinds: string[]): number => harness.requests.filter(({ what }) => kinds.includes(what)).length;
    expect([harness.requests.length, count('canary'), count('guard')]).toEqual([200, 50, 10]);
  });

  it('has templates take turns of lock 1 alone: each second one while some are new, one of ten else', async () => {
    harness = new ProbeHarness();
    harness.expect(['a', 'b']);
    harness.expectLockOne(['a', 'b']);
    harness.expectGuards();
    harness.templates = { waiting: 1 };
    await harness.clock.advance(500);
    harness.runSchedule();
    harness.requests.length = 0;
    await harness.clock.advance(100_000);
    const count = (what: string): number => harness.requests.filter((request) => request.what === what).length;
    expect([harness.requests.length, count('canary'), count('guard'), count('template')]).toEqual([200, 50, 10, 100]);
    harness.templates = { waiting: 0 };
    harness.requests.length = 0;
    await harness.clock.advance(100_000);
    expect([harness.requests.length, count('canary'), count('guard'), count('template')]).toEqual([200, 50, 10, 20]);
  });

  it.each([
    [500, 300],
    [800, 150],
    [900, 100],
    [960, 75],
    [1_000, 60],
  ])('has new templates take the turns that %i namespaces leave of ten minutes', async (namespaces, templates) => {
    harness = new ProbeHarness();
    const names = Array.from({ length: namespaces }, (_, index) => `n${index}`);
    harness.expectLockOne(names);
    harness.templates = { waiting: 1 };
    await harness.clock.advance(1_000_000);
    harness.runSchedule();
    harness.requests.length = 0;
    await harness.clock.advance(300_000);
    expect(harness.requests.filter(({ what }) => what === 'template').length).toBe(templates);
    await harness.clock.advance(300_000);
    expect(new Set(harness.requests.map(({ namespace }) => namespace)).size).toBe(namespaces + 1);
  });

  it('continues to probe lock 1 while Gatekeeper is slow', async () => {
    harness = new ProbeHarness();
    harness.expect(['a', 'b']);
    harness.expectLockOne(['a', 'b', 'c', 'd']);
    await harness.clock.advance(500);
    harness.gatekeeperMs = 1_000_000;
    harness.runSchedule();
    harness.requests.length = 0;
    await harness.clock.advance(4_000);
    harness.expectLockOne(['a', 'b', 'c', 'd', 'late']);
    await harness.clock.advance(100);
    expect(harness.requests.filter(({ what }) => what === 'deny' || what === 'bind').length).toBeGreaterThan(2);
    expect(harness.requests.filter(({ namespace }) => namespace === 'late').map(({ what }) => what)).toEqual(
      expect.arrayContaining(['deny', 'bind']),
    );
  });
});
