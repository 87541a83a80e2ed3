import { describe, expect, it } from 'vitest';
import { planRun } from './plan-run.ts';
import { pauseRun, resumeRun } from './resume-run.ts';
import { parseRun } from './run.ts';
import { VIOLATED } from './testing/commits.ts';
import { open } from './testing/rollout-fleet.ts';
import type { RolloutWorld } from './testing/rollout-world.ts';

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
    // No cluster is left that its gates look at, which is another gate.
    expect([view()?.halted?.gate, targets().at(-1)]).toEqual(['NothingLookedAt', 'r0']);
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

it('halts a wave that no cluster has proven, without gates that compare facts as well', () => {
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

it('offers a cluster that refused what its wave has finished the next commit at once, and looks at it', () => {
  const { world, work, commit, wait, targets, view } = open({ a: { maxNewViolations: 1 }, b: {} }, ['a1', 'a2', 'b1', 'c1']);
  world.refusing.add('a1');
  commit(1);
  work();
  wait(1);
  expect(view()?.halted).toMatchObject({ gate: 'Refused', clusters: ['a1'] });
  world.resume();
  wait(1);
  expect(targets()).toEqual(['r1', 'r1', 'r1', 'r0']);
  commit(2);
  expect(targets().slice(0, 2)).toEqual(['r2', 'r2']);
  work();
  wait(1);
  expect(view()?.halted).toMatchObject({ gate: 'Refused', clusters: ['a1'] });
  world.refusing.clear();
  commit(VIOLATED);
  expect(targets().slice(0, 3)).toEqual(['r3', 'r3', 'r1']);
  work('a1');
  wait(1);
  expect(view()?.halted).toMatchObject({ gate: 'NewViolations', clusters: ['a1'] });
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
