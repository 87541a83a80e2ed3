import { API_VERSION, type PolicyReport, type RoleGrant } from '@fso/shared/api';
import { digestOfPolicies } from '@fso/shared/compile';
import { SEED_CATALOG } from '@fso/shared/regions/seed';
import { encodeBitmap } from '@fso/shared/status';
import { describe, expect, it } from 'vitest';
import { ClusterPolicies, type ClusterRecord, type Desired, keysBetween, PolicyLists } from '../../ledger/index.ts';
import { baselineIn, clusterRecord, desiredOf, FILES, OLD_REVISION, policyReport, REVISION } from '../testing/fleet.ts';
import { NameSets } from './name-sets.ts';
import { ScopeState } from './scope-state.ts';

/** finance is in the namespace finance, as is audit; hr is in hr. */
const AUDIT = {
  path: 'policies/audit.yaml',
  text: 'apiVersion: compliance.federated.io/v1\nkind: SovereignPolicy\nmetadata: {name: audit}\nspec: {targetNamespace: finance, allowedRegions: [eu-west-1]}\n',
};
const files = [...FILES, AUDIT];
const desired = desiredOf(REVISION, files);
/** finance has moved to hr. */
const moved = desiredOf(
  OLD_REVISION,
  files.map((file) =>
    file.path === 'policies/finance.yaml' ? { ...file, text: file.text.replace('targetNamespace: finance', 'targetNamespace: hr') } : file,
  ),
);
/** hr is for other regions. */
const other = desiredOf(
  OLD_REVISION,
  files.map((file) => (file.path === 'policies/hr.yaml' ? { ...file, text: file.text.replace('[eu-west-1]', '[eu-central-1]') } : file)),
);

const lists = new PolicyLists();
// In this order, so that the policies of the second read as in the first, since the same commit.
for (const commit of [desired, other, moved]) lists.takeCommit(commit, () => undefined);

const recordOf = (has: Desired, named: readonly PolicyReport[] = []): ClusterRecord => {
  // Of hr, the last by name, there is no namespace.
  const baseline = baselineIn(has, 'eu', { missing: encodeBitmap(3, (at) => at === 2), namespaces: ['finance', 'secret'] });
  const list = lists.get(digestOfPolicies(has.clusters.get('eu') ?? []));
  if (list === undefined) throw new Error('the list is not known');
  const policies = new ClusterPolicies(list, baseline, new Map(named.map((report) => [report.name, report])));
  return clusterRecord('eu', [], { baseline, policies });
};

const scopeOf = (targets: string[], at: Desired, names = new NameSets()): ScopeState => {
  const grant: RoleGrant = { role: 'viewer', policies: { targetNamespaces: targets } };
  return new ScopeState([grant], at, names);
};

const seenOf = (state: ScopeState, record: ClusterRecord): ClusterRecord => {
  const seen = state.record(record);
  if (seen === undefined) throw new Error('the cluster is not seen');
  return seen;
};
const keysOf = (state: ScopeState, record: ClusterRecord): string[] => [...seenOf(state, record).policies.keys()];

describe('policies that a cluster has without naming them', () => {
  it('are the visible ones, and all counts are over them', () => {
    const { policies, baseline } = seenOf(scopeOf(['finance'], desired), recordOf(desired));
    expect([[...policies.keys()], policies.size, policies.has('hr'), policies.get('hr')]).toEqual([
      ['audit', 'finance'],
      2,
      false,
      undefined,
    ]);
    expect([...policies.values()].map(({ phase }) => phase)).toEqual(['Active', 'Active']);
    expect(baseline).toBeNull();
    expect(keysOf(scopeOf(['hr'], desired), recordOf(desired))).toEqual(['hr']);
    expect(keysOf(scopeOf(['none'], desired), recordOf(desired))).toEqual([]);
  });

  it('are seen by their targets in Git and in the list of the cluster, both of them', () => {
    const behind = recordOf(desired);
    expect(keysOf(scopeOf(['finance'], moved), behind)).toEqual(['audit']);
    expect(keysOf(scopeOf(['hr'], moved), behind)).toEqual(['hr']);
    expect(keysOf(scopeOf(['finance', 'hr'], moved), behind)).toEqual(['audit', 'finance', 'hr']);
    expect(keysOf(scopeOf(['hr'], moved), recordOf(moved))).toEqual(['finance', 'hr']);
  });

  it('do not appear to conform where their state is hidden', () => {
    const elsewhere = recordOf(desired, [policyReport('finance', { phase: 'Failed', targetNamespace: 'secret' })]);
    const { policies } = seenOf(scopeOf(['finance'], desired), elsewhere);
    expect([[...policies.keys()], policies.get('finance'), policies.size]).toEqual([['audit'], undefined, 1]);
    const all = seenOf(scopeOf(['finance', 'secret'], desired), elsewhere).policies;
    expect(all.get('finance')?.phase).toBe('Failed');
  });

  it('are without the labels of their namespaces, which name other policies', () => {
    const labelled = policyReport('finance', {
      namespaceLabels: [{ namespace: 'finance', labels: { 'compliance.gov/policy-name': 'hr' } }],
    });
    const record = recordOf(desired, [labelled]);
    expect(seenOf(scopeOf(['finance'], desired), record).policies.get('finance')).not.toHaveProperty('namespaceLabels');
    expect(seenOf(new ScopeState([{ role: 'viewer' }], desired), record).policies.get('finance')).toBe(labelled);
  });
});

describe('a commit', () => {
  it('moves nothing visible where it changes only hidden policies', () => {
    const names = new NameSets();
    const labelled = policyReport('finance', { namespaceLabels: [{ namespace: 'finance', labels: {} }] });
    const before = seenOf(scopeOf(['finance'], desired, names), recordOf(desired, [labelled]));
    const after = seenOf(scopeOf(['finance'], other, names), recordOf(other, [labelled]));
    expect(keysBetween(before.policies, after.policies)).toEqual([]);
    const sets = [before, after].map(({ policies }) => (policies instanceof ClusterPolicies ? policies.seen : undefined));
    expect(sets[0]).toBeDefined();
    expect(sets[1]).toBe(sets[0]);
  });
});

describe('region groups of a visible policy', () => {
  it('include those that groups of the catalogue name', () => {
    const catalog = {
      path: 'regions/catalog.yaml',
      text: JSON.stringify({ apiVersion: API_VERSION, kind: 'RegionCatalog', metadata: { name: 'regions' }, spec: SEED_CATALOG }),
    };
    const named = desiredOf(REVISION, [...FILES.map((file) => ({ ...file, text: file.text.replace('group:eu', 'group:eu-ch') })), catalog]);
    const groupsSeen = (target: string) => scopeOf([target], named).desired?.set.regionGroups.map(({ document }) => document.metadata.name);
    expect([groupsSeen('finance'), groupsSeen('hr')]).toEqual([['eu'], []]);
  });
});
