import type { SovereignPolicy } from '@fso/shared/api';
import { expect, it } from 'vitest';
import { UnreadKindError } from '../cache/view-deps.ts';
import { bodyOf } from '../enforce/hub-policies.ts';
import { compiledOf } from '../report/testing/seen-cluster.ts';
import { planCommit } from './plan-commit.ts';

const DESIRED = { policy: compiledOf('finance'), since: 'a'.repeat(40) };
const COMMIT = { desired: new Map([['finance', DESIRED]]), isPersisted: false };
const OTHER: SovereignPolicy = { ...bodyOf(DESIRED), metadata: { ...bodyOf(DESIRED).metadata, namespace: 'team' } };

const viewOf = (policies: readonly SovereignPolicy[], isRead = true) => ({
  policies: { list: () => policies } as never,
  assertRead: () => {
    if (!isRead) throw new UnreadKindError('not read yet');
  },
});

it('writes nothing without a commit, and counts nothing as written', () => {
  expect(planCommit(viewOf([bodyOf(DESIRED)]), undefined)).toEqual({ actions: [], isWritten: false });
});

it('looks at the policies of the agent’s namespace only', () => {
  expect(planCommit(viewOf([OTHER]), COMMIT).actions).toMatchObject([{ type: 'apply', key: 'SovereignPolicy/finance' }]);
  expect(planCommit(viewOf([OTHER, bodyOf(DESIRED)]), COMMIT)).toEqual({ actions: [], isWritten: true });
});

it('plans nothing as long as the policies were never read', () => {
  expect(() => planCommit(viewOf([], false), COMMIT)).toThrow(UnreadKindError);
});
