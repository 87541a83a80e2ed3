import type { ClusterReport, ClusterView, Condition } from '@fso/shared/api';
import { expect, it } from 'vitest';
import { verdictOf } from '../lib/health.ts';
import { after, clusterView, NOW } from '../lib/testing/cluster-view.ts';
import { listClusterIssues } from './cluster-issues.ts';

const condition = (type: string, status: Condition['status']): Condition => ({
  type,
  status,
  reason: 'Because',
  message: '',
  lastTransitionTime: after(-1),
});
const reported = (change: Partial<ClusterReport>): ClusterView => {
  const view = clusterView();
  return view.report === null ? view : { ...view, report: { ...view.report, ...change } };
};
const kinds = (cluster: ClusterView): string[] => listClusterIssues(cluster, NOW).map(({ key }) => key);

it('has none where all is well', () => {
  expect(kinds(clusterView())).toEqual([]);
});

it.each([
  ['refusal', clusterView({ inSync: false, offeredRevision: 'b2', nack: { revision: 'b2', reasons: [], time: after(-1) } })],
  ['certificate', clusterView({ certificateExpires: after(2) })],
  ['certificate', clusterView({ certificateExpires: after(-1) })],
  ['skew', clusterView({ clockSkewMs: 40_000 })],
  ['registration', clusterView({ regions: [] })],
  ['gatekeeper', reported({ gatekeeper: { state: 'Absent' } })],
  ['nodes', reported({ nodesByRegion: { '': 1 } })],
  ['verification', reported({ verification: 'failed' })],
  ['GuardReady', reported({ conditions: [condition('GuardReady', 'False')] })],
])('%s', (kind, cluster) => {
  expect(kinds(cluster)).toEqual([kind]);
});

it('lists tampering first, and dangers before warnings', () => {
  const cluster = reported({
    conditions: [condition('FloorReady', 'False'), condition('Tampered', 'True')],
    nodesByRegion: { '': 1 },
  });
  expect(kinds(cluster)).toEqual(['Tampered', 'FloorReady', 'nodes']);
});

it('has no issue of a cluster that was never seen', () => {
  expect(kinds(clusterView({ connection: 'NeverSeen', report: null, certificateExpires: null, clockSkewMs: null }))).toEqual([]);
});

it('takes no unknown condition for a good one', () => {
  expect(verdictOf(condition('FloorReady', 'Unknown'))).toBe('unknown');
  expect(verdictOf(condition('Tampered', 'Unknown'))).toBe('unknown');
  expect(verdictOf(condition('Tampered', 'False'))).toBe('good');
});
