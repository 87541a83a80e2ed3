import { describe, expect, it } from 'vitest';
import type { CommitStep } from '../fleet/orders.ts';
import { breachesOf, countReached, type Rollouts } from './rollout-order.ts';

const ROLLOUTS: Rollouts = {
  waves: [
    { name: 'canary', clusters: ['a1', 'a2'], maxConcurrency: 2, soakMs: 100 },
    { name: 'early', clusters: ['b1', 'b2', 'b3'], maxConcurrency: 2, soakMs: 100 },
    { name: 'rest', clusters: ['c1'], maxConcurrency: 1, soakMs: 0 },
  ],
  revisions: ['r0', 'r1', 'r2'],
};

/** Steps written as `<ms> <cluster> <offered|proven> <revision>`. */
const steps = (...lines: string[]): CommitStep[] =>
  lines.map((line) => {
    const [at = '', cluster = '', type = '', revision = ''] = line.split(' ');
    return { at: Number(at), cluster, type: type as CommitStep['type'], revision };
  });

const rulesOf = (...lines: string[]): string[] => breachesOf(ROLLOUTS, steps(...lines)).map(({ rule }) => rule);

const ALL = ['a1', 'a2', 'b1', 'b2', 'b3', 'c1'];
const FIRST = ALL.flatMap((cluster) => [`0 ${cluster} offered r0`, `1 ${cluster} proven r0`]);
const CANARY = ['10 a1 offered r1', '10 a2 offered r1', '20 a1 proven r1', '30 a2 proven r1'];
/** Steps of one commit in all clusters, one in two waves, and one that supersedes that. */
const KEPT = [
  ...FIRST,
  ...CANARY,
  ...['130 b1 offered r1', '130 b2 offered r1', '140 b1 proven r1', '140 b3 offered r1'],
  ...['150 a1 offered r2', '150 a2 offered r2', '160 a1 proven r2', '160 a2 proven r2'],
  ...['260 b1 offered r2', '270 b2 offered r2', '280 b1 proven r2', '281 b3 offered r2', '290 b2 proven r2', '291 b3 proven r2'],
  ...['391 c1 offered r2', '400 c1 proven r2'],
];

it('finds nothing where a newer commit supersedes and each wave follows the one before', () => {
  expect(rulesOf(...KEPT)).toEqual([]);
  // Processes report in any order.
  expect(rulesOf(...[...KEPT].reverse())).toEqual([]);
});

it('counts a newer proof for a commit that is superseded', () => {
  expect(rulesOf(...FIRST, '10 a1 offered r1', '20 a1 proven r1', '30 a1 proven r2', '30 a2 proven r2', '130 b1 offered r1')).toEqual([]);
});

describe('finds a planted breach:', () => {
  it.each([
    [
      'a wave that opens before the last cluster of the one before has proven',
      ['NotReached'],
      [...CANARY.slice(0, 3), '200 b1 offered r1'],
    ],
    ['a proof of an older commit instead', ['NotReached'], [...CANARY, '200 b1 offered r2']],
    ['a wave that is left out', ['NotReached'], [...CANARY, '500 c1 offered r1']],
    ['an open wave during the soak', ['Soaking'], [...CANARY, '129 b1 offered r1']],
    ['more clusters at a time than may be', ['TooMany'], [...CANARY, ...['b1', 'b2', 'b3'].map((each) => `130 ${each} offered r1`)]],
    ['a cluster that is sent back', ['SentBack'], [...CANARY, '40 a1 offered r0']],
    ['a commit that was not pushed', ['Unknown'], ['10 a1 offered r9']],
  ])('%s', (_title, rules, planted) => {
    expect(rulesOf(...FIRST, ...planted)).toEqual(rules);
  });

  it('among the steps of a rollout that is otherwise right', () => {
    const planted = KEPT.map((line) => (line === '391 c1 offered r2' ? '285 c1 offered r2' : line));
    const text = 'c1 was offered commit 2, which not all of early have proven';
    expect(breachesOf(ROLLOUTS, steps(...planted))).toEqual([{ rule: 'NotReached', text }]);
  });
});

it('counts commits by how far they came', () => {
  const countIn = (lines: readonly string[]) => Object.fromEntries(countReached(ROLLOUTS, steps(...lines)));
  expect(countIn(KEPT)).toEqual({ finished: 2, early: 1 });
  expect(countIn(KEPT.slice(0, -1))).toEqual({ finished: 1, early: 1, rest: 1 });
  expect(countIn(FIRST)).toEqual({ finished: 1, none: 2 });
});
