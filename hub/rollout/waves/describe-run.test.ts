import { approvalTag } from '@fso/shared/rollout';
import { expect, it } from 'vitest';
import type { RolloutCluster } from './clusters.ts';
import { describeRun, endOfWave } from './describe-run.ts';
import type { RolloutRun } from './run.ts';
import { TAGGED, VIOLATED } from './testing/commits.ts';
import { open } from './testing/rollout-fleet.ts';

it('describes the clusters and gates of a wave at work, and what those after it wait for', () => {
  const { cluster, work, commit, wait, view } = open({ a: { maxNewViolations: 0, maxNewlyRefused: 5 }, b: {} }, ['a1', 'a2', 'b1', 'c1']);
  cluster('a2').awaySince = 0;
  wait(120);
  commit(VIOLATED, ['a', 'b']);
  expect(view()?.waves[0]).toMatchObject({
    progress: [
      { cluster: 'a1', state: 'Moving' },
      { cluster: 'a2', state: 'Unreachable' },
    ],
    gates: [
      { gate: 'NewViolations', limit: 0, found: 0, unknown: 1 },
      { gate: 'NewlyRefused', limit: 5, found: 0, unknown: 1 },
    ],
  });
  work('a1');
  wait(1);
  const [first, second, others] = view()?.waves ?? [];
  expect(first).toMatchObject({ state: 'Halted', proven: 1, gates: [{ found: 2, unknown: 0 }, { limit: 5 }] });
  expect(first?.progress).toEqual([
    { cluster: 'a2', state: 'Unreachable' },
    { cluster: 'a1', state: 'Proven' },
  ]);
  expect(second).toMatchObject({ state: 'Waiting', progress: [{ cluster: 'b1', state: 'Waiting' }], gates: [] });
  expect(others).toMatchObject({ state: 'Finished', clusters: 1, changed: 0, progress: [] });
});

it('shows what a wave that has finished changed, until every wave has', () => {
  const { work, commit, wait, view } = open({ a: {}, b: { soak: '1m' } });
  commit(1, ['a', 'b']);
  work('a1');
  wait(1);
  expect(view()?.waves[0]).toMatchObject({ state: 'Finished', changed: 1, moved: 1, proven: 1, gates: [] });
  expect(view()?.waves[0]?.progress).toEqual([{ cluster: 'a1', state: 'Proven' }]);
  work('b1');
  wait(1);
  expect(view()?.waves[1]).toMatchObject({ state: 'Soaking', proven: 1 });
  wait(60);
  expect(view()).toMatchObject({ state: 'Finished', waves: [{ changed: 0 }, { changed: 0 }, { changed: 0 }] });
});

it('shows the approval that an agent waits for by the name of the wave', () => {
  const wave = { name: 'production', clusterSelector: {} };
  const [base, revision] = ['r0', 'r1'];
  const run: RolloutRun = {
    sequence: 1,
    base: { revision: base, strategy: { waves: [wave] } },
    revision,
    since: 0,
    superseded: [],
    reached: [base, base],
    moves: {},
    wave: null,
    halt: null,
    paused: null,
  };
  const waiting = (name: string, asked: string): [string, RolloutCluster] => {
    const held = { revision, tag: approvalTag(revision, asked), missing: 1, approvers: [], problems: [] };
    const has = { accepted: base, had: [base], proven: base, enforced: base, awaySince: null, wasSeenLeaving: false };
    return [name, { name, labels: {}, isRegistered: true, held, refused: null, lacking: null, facts: null, ...has }];
  };
  const clusters = new Map([waiting('a1', 'other'), waiting('a2', 'production')]);
  const input = { now: 0, newest: { revision, strategy: undefined }, clusters, digestOf: (_cluster: string, at: string) => at };
  const problems = ['the hub cannot fetch tag fso/approve/r1/production'];
  expect(describeRun(run, input, problems).waves.map(({ approval }) => approval)).toMatchObject([
    { clusters: 2, tag: 'fso/approve/r1/production', problems },
    null,
  ]);
});

it('holds no place for a cluster that leaves, at work or finished', () => {
  const { world, work, wait, view } = open({ a: { soak: '1m' }, b: { soak: '1m' } }, ['a1', 'a2', 'b1']);
  world.commit({ registered: new Map([...world.newest.registered].slice(1)), contents: { a: 1, b: 1, c: 1 } });
  const states = () => view()?.waves[0]?.progress.map(({ cluster, state }) => `${cluster} ${state}`);
  world.step();
  expect(states()).toEqual(['a2 Moving', 'a1 LeftOut']);
  work('a2');
  wait(1);
  wait(60);
  expect([view()?.waves[0]?.state, states()]).toEqual(['Finished', ['a1 LeftOut', 'a2 Proven']]);
});

it('names 100 clusters, those that hold the wave first', () => {
  const names = Array.from({ length: 150 }, (_, at) => `a${at}`);
  const { work, commit, wait, view } = open({ a: { maxNewViolations: 0 } }, [...names, 'b1']);
  commit(1, ['a']);
  work(...names.slice(0, 149));
  wait(1);
  const progress = view()?.waves[0]?.progress ?? [];
  expect([progress.length, progress[0]]).toEqual([100, { cluster: 'a149', state: 'Moving' }]);
});

it('ends the work of a wave when it has finished, or another commit comes, or the commit skips waves', () => {
  const { world, work, commit, wait } = open({ a: { soak: '1m', maxNewViolations: 0 }, b: {} });
  const endBy = (change: () => void) => {
    const before = world.run;
    change();
    return endOfWave(before, world.run, world.input());
  };
  expect(endBy(() => commit(1))).toBeUndefined();
  const since = world.now;
  work('a1');
  expect(endBy(() => wait(1))).toBeUndefined();
  expect(endBy(() => wait(60))).toEqual({ revision: 'r1', wave: 'a', since, until: since + 61_000, result: 'finished' });
  expect(endBy(() => commit(VIOLATED))).toMatchObject({ revision: 'r1', wave: 'b', since: since + 61_000, result: 'superseded' });
  work('a1');
  expect(endBy(() => wait(1))).toBeUndefined();
  expect(endBy(() => commit(2))).toMatchObject({ revision: 'r2', wave: 'a', error: 'NewViolations' });
  world.newest.immediate = TAGGED;
  expect(endBy(() => wait(1))).toMatchObject({ revision: 'r3', wave: 'a', result: 'immediate' });
  expect(endBy(() => wait(1))).toBeUndefined();
});
