import { afterEach, describe, expect, it } from 'vitest';
import { ProofWorld } from './testing/probers.ts';

let world: ProofWorld;
afterEach(() => world.stop.abort());

const NAMES = ['a', 'b', 'c', 'd', 'e'];
const states = (): readonly (string | undefined)[] => NAMES.map((name) => world.prober.state(name)?.state);
const allOf = (state: string): readonly string[] => NAMES.map(() => state);

/** A world in which lock 1 is proven in every namespace, and the rotation runs. */
const proven = async (): Promise<void> => {
  world = new ProofWorld();
  world.expectLockOne(NAMES);
  await world.clock.advance(100);
  expect(states()).toEqual(allOf('proven'));
  world.rotate();
};

describe('Prober', () => {
  it.each([['deny'], ['bind']] as const)(
    'sees within seconds that lock 1 is open everywhere (%s), and that it is shut again',
    async (what) => {
      await proven();
      world.openOne.set('*', [what]);
      await world.clock.advance(8_000);
      expect(world.prober.outage).toContain('in every namespace that was asked');
      const before = world.asked.length;
      await world.clock.advance(60_000);
      // Two a second of the rotation, twice where something is wrong, and the scouts: not all namespaces again and again.
      expect(world.asked.length - before).toBeLessThan(60 * 8);
      world.openOne.clear();
      await world.clock.advance(4_000);
      expect(world.prober.outage).toBeUndefined();
      expect(states()).toEqual(allOf('proven'));
    },
  );

  it('sees it too where it was so from the start', async () => {
    world = new ProofWorld();
    world.openOne.set('*', ['deny']);
    world.expectLockOne(NAMES);
    await world.clock.advance(30_000);
    expect(world.prober.outage).toBeDefined();
  });

  it('tells one namespace from all', async () => {
    await proven();
    world.openOne.set('b', ['deny']);
    await world.clock.advance(30_000);
    expect(world.prober.outage).toBeUndefined();
    expect(states()).toEqual(['proven', 'failed', 'proven', 'proven', 'proven']);
    expect(world.prober.state('b')?.message).toContain('was admitted');
    world.openOne.clear();
    await world.clock.advance(61_000);
    expect(states()).toEqual(allOf('proven'));
  });

  it('is not over because one namespace is shut again', async () => {
    await proven();
    world.openOne.set('*', ['deny']);
    await world.clock.advance(8_000);
    world.openOne.delete('*');
    for (const name of NAMES.slice(1)) world.openOne.set(name, ['deny']);
    await world.clock.advance(10_000);
    expect(world.prober.outage).toBeDefined();
  });

  it('does not believe for ever what nobody confirms', async () => {
    await proven();
    world.foreign.add('*');
    await world.clock.advance(20_000);
    expect(states()).toEqual(allOf('proven'));
    await world.clock.advance(60_000);
    expect(states()).toEqual(allOf('unanswered'));
    world.foreign.clear();
    await world.clock.advance(61_000);
    expect(states()).toEqual(allOf('proven'));
  });

  it('wants the words in force of the bind gate too', async () => {
    world = new ProofWorld();
    world.regions = 'us';
    world.expectLockOne(NAMES);
    await world.clock.advance(20_000);
    expect(states()).toEqual(allOf('failed'));
    expect(world.prober.state('a')?.message).toContain('still enforces something else');
  });

  it('holds what was proven for a while when only the governance changes, not when the floor does', async () => {
    world = new ProofWorld();
    world.expectLockOne(NAMES);
    await world.clock.advance(100);
    world.expectLockOne(NAMES, { regions: ['eu', 'us'] });
    expect(world.prober.state('a')).toMatchObject({ state: 'pending', held: true });
    // The floor goes on saying what it said: it is not held for ever.
    await world.clock.advance(15_000);
    expect(world.prober.state('a')).toMatchObject({ state: 'failed', held: false });
    world.regions = 'eu,us';
    await world.clock.advance(61_000);
    expect(states()).toEqual(allOf('proven'));
    world.expectLockOne(NAMES, { regions: ['eu', 'us'], floorVersion: 2 });
    expect([world.prober.state('a')?.held, world.prober.isSettled]).toEqual([false, false]);
    await world.clock.advance(15_000);
    expect([world.prober.state('a')?.state, world.prober.isSettled]).toEqual(['proven', true]);
  });
});
