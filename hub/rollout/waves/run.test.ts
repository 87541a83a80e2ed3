import { describe, expect, it } from 'vitest';
import { pauseRun, resumeRun } from './resume-run.ts';
import { commitsOf, MAX_SUPERSEDED, parseRun } from './run.ts';
import type { Zone } from './testing/commits.ts';
import { create, open } from './testing/rollout-fleet.ts';
import type { RolloutWorld } from './testing/rollout-world.ts';

describe('a cluster that leaves and joins again within a run', () => {
  const registration = ({ newest }: RolloutWorld, name: string, label: Zone) => new Map([...newest.registered, [name, label]]);
  const without = (world: RolloutWorld, name: string) => new Map([...world.newest.registered].filter(([each]) => each !== name));

  /** Opens a fleet whose first wave has finished with it; a later one, which it joins, holds. */
  const openJoined = () => {
    const fleet = open({ a: {}, b: { soak: '2h' } });
    const { world, work, wait, cluster } = fleet;
    world.clusters.set('a2', create('a2'));
    world.commit({ registered: registration(world, 'a2', 'a'), contents: { a: 1, b: 1, c: 1 } });
    world.step();
    work();
    wait(1);
    expect([cluster('a2').accepted, world.run?.reached[0], world.run?.moves['a2']]).toEqual(['r1', 'r1', undefined]);
    world.commit({ registered: without(world, 'a2') });
    world.step();
    return { ...fleet, rejoin: () => world.commit({ registered: registration(world, 'a2', 'b'), contents: { a: 2, b: 1, c: 1 } }) };
  };

  it.each([
    ['has accepted what it got meanwhile', true, false],
    ['was offered that by a hub that ended', false, true],
    ['was offered that just now', false, false],
  ])('keeps what it has until its turn where it %s', (_title, accepts, isOffered) => {
    const { world, cluster, rejoin, work, wait } = openJoined();
    expect(cluster('a2').target).toBe('r2');
    if (accepts) work('a2');
    if (isOffered) {
      cluster('a2').offered = 'r2';
      world.restart();
    }
    world.run = world.run && pauseRun(world.run, 'ada', world.now);
    rejoin();
    world.step();
    expect(cluster('a2').target).toBe('r2');
    world.run = world.run && resumeRun(world.run, world.input());
    world.step();
    work();
    wait(1);
    expect(cluster('a2').target).toBe('r3');
  });

  it('keeps it also where the run has forgotten the commit, and one that was away gets what its wave has', () => {
    const { world, cluster, rejoin, work } = openJoined();
    work('a2');
    cluster('c1').accepted = 'before';
    world.step();
    expect(cluster('c1').target).toBe('r0');
    for (let count = 0; count <= MAX_SUPERSEDED; count += 1) {
      // It is away, and has r2.
      Object.assign(cluster('a2'), { awaySince: world.now, offered: 'r2' });
      world.commit({ contents: { ...world.newest.contents, b: count + 2 } });
      world.step();
    }
    expect([world.run?.superseded.length, world.run?.superseded.includes('r2')]).toEqual([MAX_SUPERSEDED, false]);
    world.run = world.run && pauseRun(world.run, 'ada', world.now);
    world.restart();
    Object.assign(cluster('a2'), { awaySince: null });
    rejoin();
    world.step();
    expect(cluster('a2').target).toBe('r2');
    expect(world.run && parseRun(JSON.parse(JSON.stringify(world.run)))).toEqual(world.run);
  });

  it('keeps its commit also where the next one labels it for a wave that has an older one', () => {
    const { world, cluster } = open({ a: {}, b: { soak: '2h' } });
    world.clusters.set('a2', create('a2'));
    world.commit({ registered: registration(world, 'a2', 'a'), contents: { a: 1, b: 1, c: 1 } });
    world.step();
    expect(cluster('a2').target).toBe('r1');
    world.commit({ registered: new Map([...world.newest.registered, ['a2', 'c']]) });
    world.step();
    expect(cluster('a2').target).toBe('r1');
  });
});

it('reads the policies of few older commits, the latest first', () => {
  const superseded = Array.from({ length: 40 }, (_, at) => `r${at + 1}`);
  const { world } = open({ a: {} });
  const run = world.run && { ...world.run, superseded, revision: 'r41' };
  const found = run && commitsOf(run, [...superseded, 'claimed']);
  expect(new Set(found)).toEqual(new Set(['r0', 'r41', ...superseded.slice(-16)]));
});
