import { type PolicyReport, policyKey } from '@fso/shared/api';
import type { CompiledPolicy } from '@fso/shared/compile';
import { judgeClusterReport } from '@fso/shared/protocol';
import { listPolicy } from '@fso/shared/status';
import { expect, it } from 'vitest';
import { EMPTY_BASELINE } from '../../../test/harness/baselines.ts';
import { unseen } from '../changes.ts';
import { ClusterPolicies, PolicyList } from '../policies/index.ts';
import { desired, policy } from '../testing/ledger.ts';
import type { ClusterRecord } from '../types.ts';
import { ReportMemory, reportLimits } from './report-memory.ts';
import { weightOfOne } from './report-quota.ts';

const compiled = (name: string): CompiledPolicy => ({
  name,
  labels: {},
  spec: { targetNamespace: name, allowedRegions: ['eu-west-1'], enforcementAction: 'deny' },
  enforcementAction: 'deny',
  effectiveRegions: ['eu-west-1'],
  sourcePath: `policies/${name}.yaml`,
  digest: name,
});
const recordOf = (name: string, ...reports: readonly PolicyReport[]): ClusterRecord => ({
  ...unseen(name),
  policies: new Map(reports.map((report) => [policyKey(report), report])),
});

it('counts what a cluster reports by name, and nothing for what conforms', () => {
  const memory = new ReportMemory(reportLimits());
  const listed = Array.from({ length: 100 }, (_, at) => listPolicy(compiled(`p${at}`), 'r1'));
  const deviation = policy('p0', { phase: 'Failed' });
  const conforming = new ClusterPolicies(new PolicyList('a'.repeat(64), listed), EMPTY_BASELINE, new Map());
  const one: ClusterRecord = { ...unseen('one'), policies: conforming };
  const two: ClusterRecord = { ...one, policies: new ClusterPolicies(conforming.list, EMPTY_BASELINE, new Map([['p0', deviation]])) };
  memory.learn(unseen('one'), one);
  expect(memory.total).toBe(0);
  memory.learn(one, two);
  expect(memory.total).toBe(weightOfOne(deviation));
  memory.learn(two, one);
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

it('gives a cluster that is held back what others leave, and does not let its policies come and go', () => {
  const one = weightOfOne(policy('p0'));
  const memory = new ReportMemory({ local: 100, clusterBytes: 1_000 * one, memoryBytes: 20 * one });
  const of = (name: string, count: number) => recordOf(name, ...Array.from({ length: count }, (_, at) => policy(`p${at}`)));
  const [other, whole] = [of('other', 7), of('large', 15)];
  memory.learn(unseen('other'), other);
  memory.learn(unseen('large'), whole);
  expect(memory.findExcess()).toEqual(['large']);
  const trimmed: ClusterRecord = { ...of('large', 11), notKept: { policies: 4, reason: 'memory' } };
  memory.learn(whole, trimmed);
  memory.findExcess();
  const before = memory.quotaOf(trimmed, null).weight;
  memory.learn(other, of('other', 6));
  expect(memory.findExcess()).toEqual([]);
  expect(memory.quotaOf(trimmed, null).weight - before).toBe(one);
});

it('counts what a cluster says of itself for that cluster', () => {
  const memory = new ReportMemory({ ...reportLimits(), memoryBytes: 100_000 });
  const nodesByRegion = Object.fromEntries(Array.from({ length: 1_000 }, (_, at) => [`r${at}`, 1]));
  const report = { ...judgeClusterReport({}).entry, nodesByRegion };
  const large: ClusterRecord = { ...recordOf('large', policy('a')), report };
  const small = recordOf('small', policy('a'));
  memory.learn(unseen('small'), small);
  memory.learn(unseen('large'), large);
  expect(memory.total).toBe(2 * weightOfOne(policy('a')) + Buffer.byteLength(JSON.stringify(report)) + 100_000);
  expect(memory.findExcess()).toEqual(['large']);
  expect(memory.quotaOf(large, null).weight).toBeLessThan(0);
  memory.learn(large, unseen('large'));
  expect(memory.total).toBe(weightOfOne(policy('a')));
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
