import type { CommitSummary } from '@fso/shared/api';
import { expect, it } from 'vitest';
import { commitActivity } from './activity.fixtures.ts';
import { successorOf } from './superseded.ts';

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
])('after %s came %s', (revision, successor) => {
  expect(successorOf(COMMITS, revision)?.commit.revision).toBe(successor);
});
