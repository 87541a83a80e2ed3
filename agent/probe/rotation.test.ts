import { afterEach, describe, expect, it } from 'vitest';
import { ProofWorld } from './testing/probers.ts';

let world: ProofWorld;
afterEach(() => world.stop.abort());

describe('rotate', () => {
  it('asks two requests a second, each kind in turn, and lock 2 every two seconds', async () => {
    world = new ProofWorld();
    const names = Array.from({ length: 9 }, (_, index) => `n${index}`);
    world.expect(names);
    world.expectLockOne(names);
    await world.clock.advance(500);
    world.rotate();
    world.asked.length = 0;
    await world.clock.advance(60_000);
    expect(world.asked.length).toBe(120);
    expect(world.asked.filter(({ what }) => what === 'canary').length).toBe(30);
    for (const what of ['deny', 'admit', 'bind', 'canary']) {
      expect(new Set(world.asked.filter((asked) => asked.what === what).map(({ namespace }) => namespace)).size, what).toBe(9);
    }
    // Nobody waits longer than one round of all.
    const gaps = names.map((name) => world.asked.flatMap(({ namespace }, index) => (namespace === name ? index : [])));
    for (const turns of gaps)
      for (const [index, turn] of turns.entries()) expect(turn - (turns[index - 1] ?? turn)).toBeLessThanOrEqual(18);
  });

  it('goes on asking lock 1 while Gatekeeper takes its time', async () => {
    world = new ProofWorld();
    world.expect(['a', 'b']);
    world.expectLockOne(['a', 'b', 'c', 'd']);
    await world.clock.advance(500);
    world.gatekeeperMs = 1_000_000;
    world.rotate();
    world.asked.length = 0;
    await world.clock.advance(4_000);
    world.expectLockOne(['a', 'b', 'c', 'd', 'late']);
    await world.clock.advance(100);
    expect(world.asked.filter(({ what }) => what === 'deny' || what === 'bind').length).toBeGreaterThan(2);
    expect(world.asked.filter(({ namespace }) => namespace === 'late').map(({ what }) => what)).toEqual(
      expect.arrayContaining(['deny', 'bind']),
    );
  });
});
