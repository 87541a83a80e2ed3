import { type PolicyReport, policyKey } from '@fso/shared/api';
import { internReport } from '@fso/shared/protocol';
import { expect, it } from 'vitest';
import { unseen } from '../changes.ts';
import { desired, policy } from '../testing/ledger.ts';
import type { ClusterRecord } from '../types.ts';
import { ReportMemory, reportLimits } from './report-memory.ts';
import { bytesOf, weigh } from './report-quota.ts';

const short = (name: string): PolicyReport => {
  const { lastUpdated: _, ...report } = policy(name);
  return internReport(report);
};
const recordOf = (name: string, ...reports: readonly PolicyReport[]): ClusterRecord => ({
  ...unseen(name),
  policies: new Map(reports.map((report) => [policyKey(report), report])),
});

const weightOfOne = (report: PolicyReport): number => weigh(1, bytesOf(report));

it('counts what many clusters report alike once, until the last of them no longer has it', () => {
  const memory = new ReportMemory(reportLimits());
  const [shared, own] = [short('shared'), policy('own')];
  const one = recordOf('one', shared, own);
  const two = recordOf('two', shared);
  memory.learn(unseen('one'), one);
  memory.learn(unseen('two'), two);
  expect(memory.total).toBe(weightOfOne(shared) + weightOfOne(own));
  memory.learn(one, unseen('one'));
  expect(memory.total).toBe(weightOfOne(shared));
  memory.learn(two, unseen('two'));
  expect(memory.total).toBe(0);
});

it('gives the largest clusters as much as each other where all together have too much, and lets them grow again later', () => {
  const reports = Array.from({ length: 10 }, (_, at) => policy(`p${at}`, { message: 'x'.repeat(1_000) }));
  const one = weightOfOne(reports[0] ?? policy('none'));
  const memory = new ReportMemory({ local: 100, clusterBytes: 100 * one, memoryBytes: 20 * one });
  const large = recordOf('large', ...reports);
  const larger = recordOf('larger', ...reports.map((report) => ({ ...report })), policy('one-more', { message: 'x'.repeat(1_000) }));
  const small = recordOf('small', policy('p0', { message: 'x'.repeat(1_000) }));
  memory.learn(unseen('small'), small);
  memory.learn(unseen('large'), large);
  expect(memory.findExcess()).toEqual([]);
  expect(memory.quotaOf(large, null).weight).toBe(Number.POSITIVE_INFINITY);
  memory.learn(unseen('larger'), larger);
  expect(memory.findExcess()).toEqual(['large', 'larger']);
  expect(memory.quotaOf(large, null).weight).toBeLessThan(9 * one);
  expect(memory.quotaOf(larger, null).weight).toBe(memory.quotaOf(large, null).weight);
  memory.learn(larger, unseen('larger'));
  expect(memory.findExcess()).toEqual([]);
  expect(memory.quotaOf(large, null).weight).toBe(Number.POSITIVE_INFINITY);
});

it('adds to what a commit gives a cluster, and expects the most while it knows none', () => {
  const memory = new ReportMemory(reportLimits());
  const commit = { ...desired('r1'), clusters: new Map([['eu', Array(30)]]) };
  const policiesOf = (name: string, known: typeof commit | null) => memory.quotaOf(unseen(name), known).policies;
  expect([policiesOf('eu', commit), policiesOf('us', commit), policiesOf('eu', null)]).toEqual([2_030, 2_000, 22_000]);
});

it('takes a share of the heap', () => {
  expect(reportLimits(1_000).memoryBytes).toBe(500);
});
