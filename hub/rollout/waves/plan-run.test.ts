import type { RolloutWave } from '@fso/shared/api';
import { describe, expect, it } from 'vitest';
import { describeRun } from './describe-run.ts';
import { planRun } from './plan-run.ts';
import { pauseRun, resumeRun } from './resume-run.ts';
import { parseRun } from './run.ts';
import { REFUSED, RolloutWorld, type SimulatedCluster, VIOLATED, type Zone } from './testing/rollout-world.ts';

type Rule = Partial<Omit<RolloutWave, 'name' | 'clusterSelector'>>;

/** A fleet with a strategy of one wave for each zone, whose clusters have the first commit. */
const open = (rules: Readonly<Partial<Record<Zone, Rule>>>, names: readonly string[] = ['a1', 'b1', 'c1']) => {
  const world = new RolloutWorld();
  const waves = Object.entries(rules).map(([zone, rule]) => ({ name: zone, clusterSelector: { matchLabels: { zone } }, ...rule }));
  for (const name of names) world.clusters.set(name, create(name));
  world.commit({ strategy: { waves, unreachableAfter: '2m' }, registered: new Set(names) });
  const cluster = (name: string): SimulatedCluster => world.clusters.get(name) ?? create(name);
  const work = (...some: string[]): void => {
    for (const name of some.length === 0 ? world.clusters.keys() : some) for (let step = 0; step < 2; step += 1) world.work(cluster(name));
  };
  world.step();
  work();
  return {
    world,
    cluster,
    work,
    commit: (content: number, zones: readonly Zone[] = ['a', 'b', 'c']) => {
      world.commit({ contents: { ...world.newest.contents, ...Object.fromEntries(zones.map((zone) => [zone, content])) } });
      world.step();
    },
    wait: (seconds: number) => {
      world.now += seconds * 1000;
      world.step();
    },
    targets: () => [...world.clusters.values()].map(({ target }) => target),
    view: () => (world.run === undefined ? undefined : describeRun(world.run, world.input())),
  };
};

const create = (name: string): SimulatedCluster => ({
  name,
  zone: name.charAt(0) as Zone,
  awaySince: null,
  accepted: null,
  proven: null,
  refused: null,
  target: null,
});

describe('waves', () => {
  it('get a commit in order, each once the one before has proven it and held for its time', () => {
    const { work, commit, wait, targets, view } = open({ a: { soak: '1m' }, b: {} });
    commit(1);
    expect(targets()).toEqual(['r1', 'r0', 'r0']);
    wait(600);
    expect(view()?.halted?.gate).toBe('ProofTime');
    const other = open({ a: { soak: '1m' }, b: {} });
    other.commit(1);
    other.work();
    other.wait(59);
    other.wait(59);
    expect(other.targets()).toEqual(['r1', 'r0', 'r0']);
    other.wait(1);
    expect(other.targets()).toEqual(['r1', 'r1', 'r0']);
    other.work();
    other.wait(1);
    expect([other.targets(), other.view()?.state]).toEqual([['r1', 'r1', 'r1'], 'Progressing']);
    other.work();
    other.wait(1);
    expect(other.view()?.state).toBe('Finished');
    work();
  });

  it('have as many clusters on their way as they may', () => {
    const { work, commit, wait, targets } = open({ a: { maxConcurrency: 1 } }, ['a1', 'a2', 'a3', 'b1']);
    commit(1);
    expect(targets()).toEqual(['r1', 'r0', 'r0', 'r0']);
    work('a1');
    wait(1);
    expect(targets()).toEqual(['r1', 'r1', 'r0', 'r0']);
  });

  it('are skipped where nothing changes, in any order, and where they are empty', () => {
    const { work, commit, wait, targets } = open({ a: {}, b: {} }, ['b1', 'c1']);
    commit(1, ['b']);
    expect(targets()).toEqual(['r1', 'r1']);
    commit(2, ['a', 'c']);
    expect(targets()).toEqual(['r2', 'r1']);
    work();
    wait(1);
    expect(targets()).toEqual(['r2', 'r2']);
  });

  it('give a cluster that joins what they have finished', () => {
    const { world, work, commit, wait, targets } = open({ a: {}, b: {} });
    world.clusters.set('b2', create('b2'));
    commit(1);
    world.commit({ registered: new Set(['a1', 'b1', 'b2', 'c1']) });
    world.step();
    expect(targets()).toEqual(['r2', 'r0', 'r0', 'r0']);
    work();
    wait(1);
    expect(targets()).toEqual(['r2', 'r2', 'r0', 'r2']);
  });

  it('wait neither for clusters that are unreachable nor for those that leave, and name the former', () => {
    const { world, cluster, commit, wait, targets, view } = open({ a: {}, b: {} }, ['a1', 'a2', 'b1']);
    cluster('a1').awaySince = world.now;
    commit(1);
    world.work(cluster('a2'));
    world.work(cluster('a2'));
    wait(119);
    expect(targets()).toEqual(['r1', 'r1', 'r0']);
    expect(view()?.waves[0]?.unreachable).toEqual([]);
    wait(1);
    expect(targets()).toEqual(['r1', 'r1', 'r1']);
    const leaving = open({ a: {}, b: {} }, ['a1', 'a2', 'b1']);
    leaving.world.commit({ registered: new Set(['a2', 'b1']), contents: { a: 1, b: 1, c: 1 } });
    leaving.world.step();
    leaving.work('a2');
    leaving.wait(1);
    expect(leaving.targets()).toEqual(['r1', 'r1', 'r1']);
  });

  it('give a cluster that comes back the whole time to prove the commit', () => {
    const { world, cluster, commit, wait, view } = open({ a: { proofWithin: '3m' } }, ['a1', 'a2', 'b1']);
    cluster('a1').awaySince = world.now;
    commit(1);
    wait(150);
    cluster('a1').awaySince = null;
    world.work(cluster('a2'));
    world.work(cluster('a2'));
    wait(40);
    expect(view()?.halted).toBeNull();
    wait(180);
    expect(view()?.halted).toMatchObject({ gate: 'ProofTime', clusters: ['a1'] });
  });
});

it.each([
  ['is disconnected for a moment', (world: RolloutWorld) => ({ awaySince: world.now })],
  ['restarts', () => ({ proven: null })],
])('gives a proven cluster that %s in a long soak the whole time again', (_title, interrupt) => {
  const { world, cluster, work, commit, wait, view } = open({ a: { soak: '2h', proofWithin: '3m' } });
  commit(1);
  work();
  wait(1);
  wait(1_800);
  Object.assign(cluster('a1'), interrupt(world));
  wait(1);
  cluster('a1').awaySince = null;
  cluster('a1').proven = null;
  wait(1);
  expect(view()?.halted).toBeNull();
  wait(178);
  work();
  wait(1);
  expect(view()).toMatchObject({ halted: null, waves: [{ state: 'Soaking' }, {}] });
  cluster('a1').proven = null;
  wait(1);
  wait(180);
  expect(view()?.halted?.gate).toBe('ProofTime');
});

describe('a newer commit', () => {
  it('goes first to the waves that had finished the one before', () => {
    const { work, commit, wait, targets } = open({ a: { soak: '1m' }, b: { soak: '1m' } });
    commit(1);
    work();
    wait(1);
    wait(60);
    expect(targets()).toEqual(['r1', 'r1', 'r0']);
    commit(2);
    expect(targets()).toEqual(['r2', 'r1', 'r0']);
    work();
    wait(1);
    wait(60);
    expect(targets()).toEqual(['r2', 'r2', 'r0']);
  });

  it('continues the soak of the one before where it changes nothing', () => {
    const { world, work, commit, wait, targets } = open({ a: { soak: '1m' } });
    commit(1, ['a', 'b']);
    work();
    wait(1);
    world.commit({});
    world.step();
    expect(targets()).toEqual(['r2', 'r0', 'r2']);
    work();
    wait(1);
    wait(59);
    expect(targets()).toEqual(['r2', 'r0', 'r2']);
    wait(1);
    expect(targets()).toEqual(['r2', 'r2', 'r2']);
  });

  it('has the whole time to be proven where it changes nothing, however long the soak has lasted', () => {
    const { world, work, commit, wait, targets, view } = open({ a: { soak: '1h', proofWithin: '3m' } });
    commit(1, ['a', 'b']);
    work();
    wait(1);
    wait(1_800);
    world.commit({});
    world.step();
    expect([targets(), view()?.halted]).toEqual([['r2', 'r0', 'r2'], null]);
    wait(180);
    expect(view()?.halted?.gate).toBe('ProofTime');
  });

  it('is rolled out by the strategy before the one that it brings', () => {
    const { world, work, commit, wait, targets } = open({ a: {}, b: {} });
    world.commit({ strategy: undefined });
    commit(1);
    expect(targets()).toEqual(['r2', 'r0', 'r0']);
    for (let wave = 0; wave < 3; wave += 1) {
      work();
      wait(1);
    }
    expect([targets(), world.run]).toEqual([['r2', 'r2', 'r2'], undefined]);
  });
});

describe('a failed gate', () => {
  it('halts at more new violations than the wave may have, until a revert, which goes to all at once', () => {
    const { work, commit, wait, targets, view } = open({ a: { maxNewViolations: 1 }, b: {} });
    commit(VIOLATED);
    work();
    wait(1);
    wait(3_600);
    expect(targets()).toEqual(['r1', 'r0', 'r0']);
    expect(view()).toMatchObject({ state: 'Halted', halted: { wave: 'a', gate: 'NewViolations', clusters: ['a1'] } });
    expect(view()?.halted?.next).toContain('git revert r1');
    commit(0);
    expect([targets(), view()?.state]).toEqual([['r2', 'r2', 'r2'], 'Finished']);
  });

  it('is passed by a person, and fails again only by what comes in addition', () => {
    const { world, work, commit, wait, targets, view } = open({ a: { maxNewViolations: 1 }, b: {} });
    commit(VIOLATED);
    work();
    wait(1);
    if (world.run !== undefined) world.run = resumeRun(world.run, world.input());
    world.step();
    expect([targets(), view()?.halted]).toEqual([['r1', 'r1', 'r0'], null]);
  });

  it.each([
    ['the agent refuses', REFUSED, 'Refused'],
    ['a superseding commit leaves as it is', VIOLATED, 'NewViolations'],
  ])('stays where %s', (_title, content, gate) => {
    const { world, work, commit, wait, view } = open({ a: { maxNewViolations: 0 }, b: {} });
    commit(content);
    work();
    wait(1);
    expect(view()?.halted?.gate).toBe(gate);
    world.commit({});
    world.step();
    work();
    wait(1);
    expect(view()?.halted?.gate).toBe(gate);
  });

  it('halts where it could look at no cluster, and a person may pass it', () => {
    const { world, cluster, commit, wait, targets, view } = open({ a: { maxNewViolations: 0 }, b: {} });
    cluster('a1').awaySince = world.now;
    commit(1);
    wait(120);
    wait(1);
    expect(view()?.halted).toMatchObject({ gate: 'NothingLookedAt', clusters: ['a1'] });
    if (world.run !== undefined) world.run = resumeRun(world.run, world.input());
    world.step();
    expect(targets()).toEqual(['r1', 'r1', 'r0']);
  });
});

describe('resuming', () => {
  const resume = (world: RolloutWorld): void => {
    if (world.run !== undefined) world.run = resumeRun(world.run, world.input());
    world.step();
  };

  it('passes only the fact of the gate that failed, and only where it is known', () => {
    const { world, work, commit, wait, view } = open({ a: { maxNewViolations: 1, maxNewlyRefused: 0 } }, ['a1', 'a2', 'b1']);
    commit(VIOLATED);
    work();
    wait(1);
    expect(view()?.halted?.gate).toBe('NewViolations');
    const input = world.input();
    const facts = { violations: 2, refused: null, pending: null };
    const clusters = new Map([...input.clusters].map(([name, each]) => [name, { ...each, facts: name === 'a1' ? facts : null }]));
    const before = { violations: 0, refused: 0, pending: 0 };
    const resumed = world.run && resumeRun(world.run, { ...input, clusters });
    expect([resumed?.moves['a1']?.before, resumed?.moves['a2']?.before]).toEqual([{ ...before, violations: 2 }, before]);
  });

  it('passes every cluster that is late, not only those that are named', () => {
    const names = Array.from({ length: 30 }, (_, at) => `a${at}`);
    const { world, commit, wait, targets, view } = open({ a: { proofWithin: '3m' } }, [...names, 'b1']);
    commit(1);
    wait(180);
    expect(view()?.halted).toMatchObject({ gate: 'ProofTime', clusters: names.slice(0, 20) });
    resume(world);
    expect([view()?.halted, targets().at(-1)]).toEqual([null, 'r1']);
  });

  it('begins the soak again after a pause, and after a gate that was passed', () => {
    const { world, work, commit, wait, targets } = open({ a: { soak: '1m', maxNewViolations: 1 } });
    commit(1);
    work();
    wait(1);
    if (world.run !== undefined) world.run = pauseRun(world.run, 'ada', world.now);
    wait(3_600);
    resume(world);
    wait(59);
    expect(targets()).toEqual(['r1', 'r0', 'r0']);
    commit(VIOLATED);
    work();
    wait(1);
    wait(3_600);
    resume(world);
    wait(59);
    expect(targets()).toEqual(['r2', 'r0', 'r0']);
    wait(1);
    expect(targets()).toEqual(['r2', 'r2', 'r2']);
  });
});

it('halts a wave that nobody has proven, without gates that compare facts as well', () => {
  const { world, cluster, commit, wait, targets, view } = open({ a: {} });
  cluster('a1').awaySince = world.now;
  commit(1);
  wait(120);
  expect([view()?.halted?.gate, targets()]).toEqual(['NothingLookedAt', ['r1', 'r0', 'r0']]);
});

it('lets a revert to the base through at once, also where the canary had finished the commit, and during a pause', () => {
  const { world, work, commit, wait, targets, view } = open({ a: {}, b: {} });
  commit(1);
  work();
  wait(1);
  expect(targets()).toEqual(['r1', 'r1', 'r0']);
  if (world.run !== undefined) world.run = pauseRun(world.run, 'ada', world.now);
  commit(0);
  expect([targets(), view()?.waves.map(({ revision }) => revision)]).toEqual([
    ['r2', 'r2', 'r2'],
    ['r2', 'r2', 'r2'],
  ]);
});

it('compares with no facts of a commit that was superseded', () => {
  const { world, cluster, work, commit, wait, targets, view } = open({ a: { maxNewViolations: 0 } }, ['a1', 'b1']);
  cluster('a1').awaySince = world.now;
  wait(120);
  commit(VIOLATED);
  cluster('a1').awaySince = null;
  work();
  commit(10 + VIOLATED);
  // It violates as much as before, by the commit that it got without a comparison.
  expect([targets()[0], view()?.halted]).toEqual(['r1', null]);
  wait(600);
  expect([targets(), view()?.halted?.gate]).toEqual([['r2', 'r0'], 'NothingLookedAt']);
});

it('plans the way of a cluster that is named like a property of every object', () => {
  const { world, work, wait, targets } = open({ c: { maxNewViolations: 0 } }, ['constructor', 'c2', 'b1']);
  world.commit({ contents: { ...world.newest.contents, c: 1 } });
  Object.assign(world.clusters.get('constructor') ?? {}, { accepted: 'r1' });
  world.step();
  expect(parseRun(JSON.parse(JSON.stringify(world.run)))).toEqual(world.run);
  work();
  wait(1);
  expect(targets()).toEqual(['r1', 'r1', 'r1']);
});

it('holds every wave during a pause, but not a revert', () => {
  const { world, work, commit, wait, targets, view } = open({ a: {}, b: {} });
  commit(1);
  if (world.run !== undefined) world.run = pauseRun(world.run, 'ada', world.now);
  work();
  wait(1);
  expect([targets(), view()?.paused?.by]).toEqual([['r1', 'r0', 'r0'], 'ada']);
  commit(0);
  expect(targets()).toEqual(['r2', 'r2', 'r2']);
});

it('plans nothing new from its own result', () => {
  const { world, commit } = open({ a: { maxNewViolations: 0 }, b: {} });
  commit(1);
  expect(planRun(world.run, world.input())).toEqual(world.run);
});
