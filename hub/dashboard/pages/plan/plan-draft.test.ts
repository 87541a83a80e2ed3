import { expect, it } from 'vitest';
import { draftProblem, fileName, NEW_PATH, requestOf } from './plan-draft.ts';

it('asks for a text and a file, within the bounds of a file of the repository', () => {
  expect(draftProblem({ path: NEW_PATH, text: ' \n' })).toBe('Paste a policy, or open one.');
  expect(draftProblem({ path: ' ', text: 'kind: x' })).toBe('Say in which file of the repository it is.');
  expect(draftProblem({ path: NEW_PATH, text: 'ä'.repeat(128 * 1024 + 1) })).toBe(
    'The text has 257 KiB; a file of the repository has at most 256 KiB.',
  );
  expect(draftProblem({ path: NEW_PATH, text: 'ä'.repeat(128 * 1024) })).toBeUndefined();
});

it('puts the policy onto the commit in force, under its path', () => {
  const draft = { path: ' policies/team/finance.yaml ', text: 'kind: x' };
  expect(requestOf(draft)).toEqual({ patch: true, files: { 'policies/team/finance.yaml': 'kind: x' } });
  expect([fileName(draft), fileName({ ...draft, path: 'policies/' })]).toEqual(['finance.yaml', 'policy.yaml']);
});
