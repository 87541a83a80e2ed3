import type { RoleGrant } from '@fso/shared/api';
import { decodeFiles, type SourceFile } from '@fso/shared/decode';
import { describe, expect, it } from 'vitest';
import { catalogFile, clusterFile } from '../../shared/decode/testing/decoded.ts';
import { TEST_CATALOG } from '../../shared/regions/testing/catalogue.ts';
import type { Desired } from '../ledger/index.ts';
import { Visibility } from './visibility.ts';

const FOLDERS = { ManagedCluster: 'clusters', RegionGroup: 'regions', SovereignPolicy: 'policies' } as const;

const file = (kind: keyof typeof FOLDERS, metadata: { name: string; labels: string }, spec: string): SourceFile => ({
  path: `${FOLDERS[kind]}/${metadata.name}.yaml`,
  text: `apiVersion: compliance.federated.io/v1\nkind: ${kind}\nmetadata: {name: ${metadata.name}, labels: {${metadata.labels}}}\nspec: ${spec}\n`,
});

const desiredOf = (euLabels = 'env: prod'): Desired => {
  const decoded = decodeFiles([
    file('ManagedCluster', { name: 'eu-1', labels: euLabels }, '{regions: [eu-west-1]}'),
    file('ManagedCluster', { name: 'us-1', labels: 'env: prod' }, '{regions: [us-east-1]}'),
    file('RegionGroup', { name: 'eu', labels: '' }, '{regions: [eu-west-1, eu-central-1]}'),
    file('SovereignPolicy', { name: 'pay', labels: 'team: pay' }, '{targetNamespace: finance-pay, allowedRegions: [eu-west-1]}'),
    file('SovereignPolicy', { name: 'all', labels: '' }, "{targetNamespace: '*', allowedRegions: [eu-west-1]}"),
  ]);
  if (!decoded.ok) throw new Error(JSON.stringify(decoded.problems));
  return { revision: 'r', set: decoded.set, clusters: new Map() };
};

const of = (clusters: RoleGrant['clusters'], policies?: RoleGrant['policies']): RoleGrant => ({
  role: 'viewer',
  ...(clusters && { clusters }),
  ...(policies && { policies }),
});
const clustersOf = (grants: readonly RoleGrant[], desired: Desired | null = desiredOf()): string[] => {
  const visibility = new Visibility(grants, desired);
  return ['eu-1', 'us-1', 'unknown'].filter((name) => !visibility.at(name).isEmpty);
};

describe('clusters of grants', () => {
  it.each([
    [{ clusterRegions: ['group:eu'] }, ['eu-1']],
    [{ clusterRegions: ['eu-west-1', 'us-east-1'] }, ['eu-1', 'us-1']],
    // A typo, and a group that is gone, widen nothing.
    [{ clusterRegions: ['group:none'] }, []],
    // A cluster that is not registered may be called anything, and has no labels that it could
    // lack.
    [{ clusterNames: ['eu-1', 'unknown'] }, ['eu-1']],
    [{ clusterSelector: { matchExpressions: [{ key: 'env', operator: 'DoesNotExist' as const }] } }, []],
    [{ clusterSelector: {} }, ['eu-1', 'us-1']],
    [{ clusterRegions: ['group:eu'], clusterNames: ['us-1'] }, []],
  ])('%j', (clusters, names) => {
    expect(clustersOf([of(clusters)])).toEqual(names);
  });

  it('are those of which the provider means the place, and of the others only those that no provider means elsewhere', () => {
    const decoded = decodeFiles([
      catalogFile(TEST_CATALOG),
      clusterFile('eu-1', ['eu-west-1'], {}, 'aws'),
      clusterFile('us-1', ['eu-west-1', 'us-east-1']),
    ]);
    if (!decoded.ok) throw new Error(JSON.stringify(decoded.problems));
    const desired = { revision: 'r', set: decoded.set, clusters: new Map() };
    const shown = (reference: string) => clustersOf([of({ clusterRegions: [reference] })], desired);
    expect(['eu-west-1', 'country:IE', 'country:GB', 'country:US'].map(shown)).toEqual([['eu-1', 'us-1'], ['eu-1'], [], ['us-1']]);
  });

  it('are all without a selector, and none with one before the repository is read', () => {
    expect(clustersOf([of(undefined, { policyNames: ['*'] })])).toEqual(['eu-1', 'us-1', 'unknown']);
    expect(clustersOf([of({ clusterSelector: {} })], null)).toEqual([]);
    expect(clustersOf([])).toEqual([]);
  });
});

describe('policies of grants', () => {
  const sees = (policies: RoleGrant['policies'], key: string, targetNamespace?: string): boolean => {
    const visibility = new Visibility([of(undefined, policies)], desiredOf());
    return visibility.seesPolicy(visibility.at('eu-1'), key, targetNamespace === undefined ? undefined : { targetNamespace });
  };

  it.each([
    [{ policyNames: ['pay'] }, 'pay', undefined, true],
    [{ policyNames: ['p*'] }, 'pay', undefined, true],
    [{ policyNames: ['team-a/*'] }, 'team-a/own', 'anything', true],
    [{ policyNames: ['team-a/*'] }, 'team-ab/own', 'anything', false],
    [{ targetNamespaces: ['finance-*'] }, 'pay', undefined, true],
    // On its way from one namespace to another it is of both.
    [{ targetNamespaces: ['finance-*'] }, 'pay', 'hr', false],
    [{ targetNamespaces: ['finance-*', 'hr'] }, 'pay', 'hr', true],
    // A glob that means more than is selected.
    [{ targetNamespaces: ['finance-*'] }, 'all', undefined, false],
    [{ targetNamespaces: ['*'] }, 'all', undefined, true],
    [{ targetNamespaces: ['finance-*'] }, 'local/x', 'finance-*', true],
    [{ targetNamespaces: ['finance-*'] }, 'local/x', '*-pay', false],
    [{ targetNamespaces: ['finance-*'] }, 'local/x', undefined, false],
    [{ policySelector: { matchLabels: { team: 'pay' } } }, 'pay', undefined, true],
    [{ policySelector: { matchExpressions: [{ key: 'team', operator: 'DoesNotExist' as const }] } }, 'all', undefined, true],
    // Without labels in Git there is nothing to select it by.
    [{ policySelector: { matchExpressions: [{ key: 'team', operator: 'DoesNotExist' as const }] } }, 'local/x', 'finance-pay', false],
    [{ policyNames: ['pay'], targetNamespaces: ['hr'] }, 'pay', undefined, false],
  ])('%j: %s for %s is %s', (policies, key, target, isSeen) => {
    expect(sees(policies, key, target)).toBe(isSeen);
  });

  it('are those of the grants for the cluster that they are in', () => {
    const visibility = new Visibility(
      [of({ clusterNames: ['eu-1'] }, { policyNames: ['pay'] }), of({ clusterNames: ['us-1'] })],
      desiredOf(),
    );
    const seen = ['eu-1', 'us-1'].map((name) => ['pay', 'all'].filter((key) => visibility.seesPolicy(visibility.at(name), key)));
    expect(seen).toEqual([['pay'], ['pay', 'all']]);
    expect(visibility.seesEverywhere('pay')).toBe(false);
  });
});

it('differ in their fingerprint where a grant differs', () => {
  const grants = [of({ clusterSelector: { matchLabels: { env: 'prod' } } }, { policyNames: ['pay'] })];
  const [before, after] = [desiredOf(), desiredOf('env: test')].map((desired) => [...new Visibility(grants, desired).fingerprint()]);
  expect(before).toEqual([
    ['cluster eu-1', '0'],
    ['cluster us-1', '0'],
    ['policy pay', '0'],
  ]);
  expect(after).toEqual([
    ['cluster us-1', '0'],
    ['policy pay', '0'],
  ]);
});
