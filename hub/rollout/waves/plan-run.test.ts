import { describe, expect, it } from 'vitest';
import { resumeRun } from './resume-run.ts';
import { REFUSED, VIOLATED } from './testing/commits.ts';
import { create, open } from './testing/rollout-fleet.ts';
import type { RolloutWorld } from './testing/rollout-world.ts';

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

  it('wait for approvals that agents ask for, however long, and give the whole time to prove after that', () => {
    const { cluster, work, commit, wait, targets, view } = open({ a: { proofWithin: '10m', approval: 'Required' }, b: {} });
    cluster('a1').held = 'r1';
    commit(1);
    work();
    for (let hours = 0; hours < 3; hours += 1) wait(3_600);
    expect([targets(), view()?.halted, view()?.waves.map(({ approval }) => approval?.tag)]).toEqual([
      ['r1', 'r0', 'r0'],
      null,
      ['fso/approve/r1/a', undefined, undefined],
    ]);
    cluster('a1').held = null;
    wait(1);
    wait(599);
    expect(view()?.halted).toBeNull();
    wait(1);
    expect(view()?.halted?.gate).toBe('ProofTime');
  });

  it('halt where an agent waits for an approval that its wave does not need', () => {
    const { cluster, commit, wait, view } = open({ a: { proofWithin: '10m' }, b: {} });
    cluster('a1').held = 'r1';
    commit(1);
    wait(599);
    expect(view()?.halted).toBeNull();
    wait(1);
    expect(view()?.halted).toMatchObject({ wave: 'a', gate: 'ProofTime', clusters: ['a1'] });
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
    commit(1);
    world.clusters.set('b2', create('b2'));
    world.commit({ registered: new Map([...world.newest.registered, ['b2', 'b']]) });
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
    leaving.world.commit({ registered: new Map([...leaving.world.newest.registered].slice(1)), contents: { a: 1, b: 1, c: 1 } });
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
