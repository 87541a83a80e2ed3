import { expect, it } from 'vitest';
import { policyReport } from '../../test/harness/policy-reports.ts';
import { internPolicies, internReport } from './interning.ts';

const { lastUpdated: _time, ...short } = policyReport('a');

it('short reports that say the same are one object, full ones stay what they are', () => {
  const first = internReport({ ...short });
  expect(internReport({ ...short })).toBe(first);
  expect(internReport({ ...short, namespaces: ['b'] })).not.toBe(first);
  const full = policyReport('a');
  expect(internReport(full)).toBe(full);
  expect(internReport({ ...full })).not.toBe(full);
});

it('policies that only have the digest of others stay apart', () => {
  const report = internReport({ ...short });
  const one = internPolicies('d', new Map([['a', report]]));
  expect(internPolicies('d', new Map([['a', report]]))).toBe(one);
  for (const other of [new Map(), new Map([['b', report]]), new Map([['a', internReport({ ...short, violations: 1 })]])])
    expect(internPolicies('d', other)).toBe(other);
});
