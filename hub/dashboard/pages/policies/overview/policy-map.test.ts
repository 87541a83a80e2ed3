import { expect, it } from 'vitest';
import { inCluster, TIME } from '../testing/policy-reports.ts';
import { connectionsOf, policyRegionViews } from './policy-map.ts';

const view = (region: string, clusters: string[]) => ({ region, groups: ['eu'], policies: 7, clusters, nodes: 3, violations: 9 });
const sample = { kind: 'Pod', namespace: 'finance', name: 'api', region: 'us-east-1', reason: 'outside', since: TIME };

const CLUSTERS = [
  inCluster('eu', { violationSamples: [sample, { ...sample, name: 'web' }] }),
  inCluster('gone', {}, false),
  { cluster: 'new', fresh: false, report: null, changed: null },
];

it('shows the allowed regions and those in which the policy is violated, with its own clusters and violations', () => {
  const policy = { effectiveRegions: ['eu-west-1', 'berlin-dc2'], clusters: CLUSTERS };
  expect(policyRegionViews(policy, [view('eu-west-1', ['eu', 'other']), view('us-east-1', ['us'])])).toEqual([
    { ...view('eu-west-1', ['eu']), violations: 0 },
    { region: 'berlin-dc2', groups: [], policies: 1, clusters: [], nodes: 0, violations: 0 },
    { ...view('us-east-1', []), violations: 2 },
  ]);
});

it('knows of its own clusters whether they are connected', () => {
  expect(['eu', 'gone', 'new', 'other'].map(connectionsOf(CLUSTERS))).toEqual(['Connected', 'Disconnected', undefined, undefined]);
});
