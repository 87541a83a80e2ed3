import type { CommitSummary } from '@fso/shared/api';
import { expect, it } from 'vitest';
import { findSuccessor, type Step, stepsOf } from './steps.ts';
import { at, commitActivity, stepsIn } from './testing/commit-activity.ts';

const states = (steps: readonly Step[]): string[] => steps.map(({ state }) => state);
const THROUGH = [150, 400, 420, 900] as const;

it('shows where a commit stands while clusters are on their way', () => {
  const steps = stepsOf(commitActivity([stepsIn('eu', THROUGH), stepsIn('us', [160, 500])]));
  expect(states(steps)).toEqual(['done', 'done', 'done', 'done', 'done', 'current', 'current', 'current', 'waiting']);
  expect(steps[4]).toMatchObject({ mark: '⑤', atMs: 500, sinceMs: 340, clusters: { done: 2, total: 2, firstMs: 400 } });
  expect(steps[5]).toMatchObject({ atMs: 420, sinceMs: 0, clusters: { done: 1, total: 2 } });
});

it('shows the times of the hub, without one between parallel steps', () => {
  const steps = stepsOf(commitActivity([]));
  expect(steps.slice(0, 3).map(({ atMs, sinceMs }) => [atMs, sinceMs])).toEqual([
    [100, null],
    [140, 40],
    [110, 0],
  ]);
  expect(states(steps).slice(3)).toEqual(['current', ...Array(5).fill('waiting')]);
});

it('is done when it is enforced, even if clusters are not connected', () => {
  const steps = stepsOf(
    commitActivity([stepsIn('eu', THROUGH), stepsIn('gone', [])], { state: 'enforced', enforced: at(900), enforcementMs: 900 }),
  );
  expect(new Set(states(steps))).toEqual(new Set(['done']));
  expect(steps.at(-1)).toMatchObject({ mark: '⑨', atMs: 900, sinceMs: 0 });
});

it('ends at the source where the hub refused it', () => {
  const activity = commitActivity([], { state: 'rejected', problems: [{ reason: 'no such group' }] });
  expect(states(stepsOf({ ...activity, hub: { ...activity.hub, compiled: null, released: null } }))).toEqual([
    'failed',
    ...Array(8).fill('waiting'),
  ]);
});

it('fails at intake where an agent refused it', () => {
  const refused = { time: at(300), reasons: [{ reason: 'not signed' }] };
  const activity = commitActivity([stepsIn('eu', THROUGH), stepsIn('us', [160], refused)], { state: 'refused' });
  const steps = stepsOf({ ...activity, clusters: { ...activity.clusters, refused: 1 } });
  expect(states(steps).slice(3)).toEqual(['done', 'failed', 'waiting', 'waiting', 'waiting', 'waiting']);
});

it('shows that a commit was not watched if it was in force before the record began', () => {
  const hub = { noticed: null, fetched: null, judged: null, compiled: null, released: null };
  const steps = stepsOf(commitActivity([stepsIn('eu', [])], { hub }));
  expect(states(steps).slice(0, 5)).toEqual(['unwatched', 'unwatched', 'unwatched', 'current', 'waiting']);
});

const commit = (revision: string, state: CommitSummary['state']): CommitSummary => {
  const { commit: view, ...rest } = commitActivity([], { state });
  return { ...rest, commit: { ...view, revision } };
};
const COMMITS = [commit('d', 'inProgress'), commit('c', 'rejected'), commit('b', 'superseded'), commit('a', 'superseded')];

it.each([
  ['a', 'b'],
  ['b', 'd'],
  ['d', undefined],
  ['unknown', undefined],
])('finds after %s the commit %s', (revision, successor) => {
  expect(findSuccessor(COMMITS, revision)?.commit.revision).toBe(successor);
});
