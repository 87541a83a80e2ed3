import { internReport } from '@fso/shared/protocol';
import { expect, it } from 'vitest';
import { policyReport } from '../../test/harness/policy-reports.ts';
import { internPolicies } from './interning.ts';

const { lastUpdated: _time, ...short } = policyReport('a');

it('policies that only have the digest of others stay apart', () => {
  const report = internReport({ ...short });
  const one = internPolicies('d', new Map([['a', report]]));
  expect(internPolicies('d', new Map([['a', report]]))).toBe(one);
  for (const other of [new Map(), new Map([['b', report]]), new Map([['a', internReport({ ...short, violations: 1 })]])])
    expect(internPolicies('d', other)).toBe(other);
});
