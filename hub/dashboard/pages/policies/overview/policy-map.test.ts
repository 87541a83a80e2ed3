import { expect, it } from 'vitest';
import { regionView } from '../../../map/testing/region-view.ts';
import { inCluster, TIME } from '../testing/policy-reports.ts';
import { connectionsOf, policyRegionViews } from './policy-map.ts';

const view = (region: string, clusters: string[]) => regionView(region, { groups: ['eu'], policies: 7, clusters, nodes: 3, violations: 9 });
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
    regionView('berlin-dc2', { policies: 1 }),
    { ...view('us-east-1', []), violations: 2 },
  ]);
});

it('leaves out the places that a name has for the clusters of others', () => {
  const policy = { effectiveRegions: ['eu-west-1'], clusters: [inCluster('eu', {})] };
  const alibaba = { ...view('eu-west-1', ['hangzhou']), provider: 'alibaba', place: null };
  expect(policyRegionViews(policy, [alibaba, view('eu-west-1', ['eu'])])).toEqual([{ ...view('eu-west-1', ['eu']), violations: 0 }]);
});

it('knows of its own clusters whether they are connected', () => {
  expect(['eu', 'gone', 'new', 'other'].map(connectionsOf(CLUSTERS))).toEqual(['Connected', 'Disconnected', undefined, undefined]);
});
