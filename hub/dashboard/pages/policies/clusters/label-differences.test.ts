import { expect, it } from 'vitest';
import { inCluster, report } from '../testing/policy-reports.ts';
import { differencesOf, filterLabelRows, labelRows } from './label-differences.ts';

const LABELS = {
  'compliance.gov/policy-name': 'finance-eu',
  'compliance.gov/policy-namespace': 'federated-sovereignty-system',
  'compliance.gov/allowed-regions': 'eu-central-1_eu-west-1',
  'compliance.gov/enforcement-action': 'deny',
  'compliance.gov/floor-deny': 'active',
  'compliance.gov/updated-at': '2026-01-03T10-30-00Z',
};

it('finds nothing where the labels match the policy', () => {
  expect(differencesOf(report({ effectiveRegions: ['eu-west-1', 'eu-central-1'] }), LABELS)).toEqual([]);
});

it('finds labels that are gone or changed', () => {
  const { 'compliance.gov/floor-deny': _, ...rest } = LABELS;
  expect(differencesOf(report(), { ...rest, 'compliance.gov/allowed-regions': 'us-east-1' })).toEqual([
    { key: 'compliance.gov/allowed-regions', expected: 'eu-central-1_eu-west-1', actual: 'us-east-1', kind: 'differs' },
    { key: 'compliance.gov/floor-deny', expected: 'active', actual: undefined, kind: 'missing' },
  ]);
});

it('reports labels that come from another policy that governs the namespace, too', () => {
  const labels = { ...LABELS, 'compliance.gov/policy-name': 'payments', 'compliance.gov/allowed-regions': 'eu-west-1' };
  expect(differencesOf(report(), labels).map(({ key, kind }) => [key, kind])).toEqual([
    ['compliance.gov/policy-name', 'otherPolicy'],
    ['compliance.gov/allowed-regions', 'otherPolicy'],
  ]);
});

it('knows values that were too long for a label by their beginning', () => {
  const effectiveRegions = ['ap-southeast-1', 'eu-central-1', 'eu-north-1', 'eu-south-1', 'eu-west-1', 'eu-west-2'];
  const label = { ...LABELS, 'compliance.gov/allowed-regions': 'ap-southeast-1_eu-central-1_eu-north-1_eu-south-1_eu-w-0a1b2c3d' };
  expect(differencesOf(report({ effectiveRegions }), label)).toEqual([]);
  expect(differencesOf(report({ effectiveRegions: ['us-east-1', ...effectiveRegions] }), label)).toEqual([]);
  expect(differencesOf(report({ effectiveRegions: effectiveRegions.slice(1) }), label)).toHaveLength(1);
});

it('does not guess at the actions of a custom policy', () => {
  const { 'compliance.gov/floor-deny': _, 'compliance.gov/enforcement-action': __, ...rest } = LABELS;
  expect(differencesOf(report({ enforcementAction: 'custom' }), rest)).toEqual([]);
});

it('lists and filters namespaces of all clusters that report labels', () => {
  const rows = labelRows([
    inCluster('eu', { namespaceLabels: [{ namespace: 'finance', labels: LABELS }] }),
    inCluster('us', { namespaceLabels: [{ namespace: 'finance', labels: {} }] }, false),
    inCluster('old'),
    { cluster: 'new', fresh: true, report: null, changed: null },
  ]);
  expect(rows.map(({ cluster, namespace, differences }) => [cluster, namespace, differences.length])).toEqual([
    ['eu', 'finance', 0],
    ['us', 'finance', 5],
  ]);
  expect(filterLabelRows(rows, { differs: 'true' })).toHaveLength(1);
  expect(filterLabelRows(rows, { q: 'EU fin' })).toHaveLength(1);
});
