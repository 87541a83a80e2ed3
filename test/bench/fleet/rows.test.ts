import { expect, it } from 'vitest';
import { policyReport } from '../../harness/policy-reports.ts';
import { type ClusterRows, differencesOf, digestOfRows } from './rows.ts';

const rows = (change: Partial<ClusterRows> = {}): ClusterRows => ({
  revision: 'a',
  gatekeeper: 'Ready',
  total: 2,
  active: 1,
  pending: 0,
  failed: 1,
  digest: digestOfRows([policyReport('one', { phase: 'Failed', message: 'no answer' })]),
  ...change,
});

it('gives rows with the same content the same digest in any order', () => {
  const [one, two] = [policyReport('one'), policyReport('two')];
  expect(digestOfRows([one, two])).toBe(digestOfRows([two, one]));
  expect(digestOfRows([one])).not.toBe(digestOfRows([policyReport('one', { phase: 'Failed' })]));
});

it('names the clusters that differ, and how', () => {
  const agents = new Map([
    ['eu', rows()],
    ['us', rows()],
    ['ap', rows()],
  ]);
  const hub = new Map([
    ['eu', rows()],
    ['us', rows({ failed: 0, active: 2 })],
    ['gone', rows()],
  ]);
  expect(differencesOf(agents, agents)).toEqual([]);
  expect(differencesOf(agents, hub)).toEqual([
    'us: active is 1, the hub has 2; failed is 1, the hub has 0',
    'ap: only the agent has it',
    'gone: only the hub has it',
  ]);
});
