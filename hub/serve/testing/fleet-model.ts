import { type PolicyReport, policyKey } from '@fso/shared/api';
import { digestOfPolicies, matchesNamespace } from '@fso/shared/compile';
import type { SourceFile } from '@fso/shared/decode';
import { type Baseline, type ClusterProfile, encodeBitmap, expectedReport, listPolicy } from '@fso/shared/status';
import fc from 'fast-check';
import { baselineOf } from '../../../test/harness/baselines.ts';
import { ClusterPolicies, type ClusterRecord, type Desired, type PolicyLists } from '../../ledger/index.ts';
import { clusterRecord, desiredOf, FILES, OLD_REVISION, policyReport, REVISION, TIME } from './fleet.ts';

/**
 * A model of clusters that report by exception: as the ledger stores them, and in the simplest
 * form.
 */

const policy = (name: string, target: string, more: string): SourceFile => ({
  path: `policies/${name}.yaml`,
  text: `apiVersion: compliance.federated.io/v1\nkind: SovereignPolicy\nmetadata: {name: ${name}}\nspec: {targetNamespace: ${target}, ${more}}\n`,
});

const EU = 'allowedRegions: [eu-west-1]';
const PLACES = FILES.filter(({ path }) => !path.startsWith('policies'));
const FIRST = [
  policy('bravo', 'b', `${EU}, enforcementAction: warn, placement: {clusterNames: [eu]}`),
  policy('ends', 'a', `${EU}, expiryDate: '2026-01-10T00:00:00Z'`),
  policy('mover', 'a', EU),
  policy('team', "'team-*'", `${EU}, excludedNamespaces: [team-x]`),
];
const SECOND = [...FIRST.slice(0, 2), policy('mover', 'b', EU), policy('team', "'team-*'", `${EU}, enforcementAction: dryrun`)];

/** Commits of the model in the order of the hub. */
export const MODEL_COMMITS: readonly Desired[] = [
  desiredOf(REVISION, [...PLACES, ...FIRST]),
  desiredOf(OLD_REVISION, [...PLACES, ...SECOND]),
  // Another first policy, so that each has another bit, and neither bravo nor the cluster us.
  desiredOf(
    'c3'.repeat(20),
    [...PLACES, policy('aaa', 'a', `${EU}, enforcementAction: dryrun`), ...SECOND].filter(({ path }) => !/us|bravo/.test(path)),
  ),
];

/** Names of the clusters of the model; `stray` is not registered. */
export const MODEL_NAMES = ['eu', 'us', 'stray'] as const;
const POLICIES = ['aaa', 'bravo', 'ends', 'mover', 'team'];

/** State that a cluster reports. */
export interface ClusterModel {
  readonly name: string;
  readonly connected: boolean;
  readonly isObserved: boolean;
  /**
   * Index of the commit whose list of the cluster eu or us it has; unknown: the hub does not know
   * that list. none: its agent has no list.
   */
  readonly list: { readonly commit: number; readonly of: string } | 'unknown' | 'none';
  readonly profile: ClusterProfile;
  readonly asOf: string;
  /** Names of policies without a namespace. */
  readonly missing: readonly string[];
  /** Namespaces that a glob matches. */
  readonly namespaces: readonly string[];
  readonly named: ReadonlyMap<string, PolicyReport>;
}

const compiledOf = ({ list }: ClusterModel) =>
  typeof list === 'string' ? undefined : (MODEL_COMMITS[list.commit]?.clusters.get(list.of) ?? []);

const baselineOfModel = (model: ClusterModel): Baseline | null => {
  const { list, profile, asOf, missing, namespaces } = model;
  if (list === 'none') return null;
  const policies = compiledOf(model) ?? [];
  return baselineOf(list === 'unknown' ? '1'.repeat(64) : digestOfPolicies(policies), {
    profile,
    asOf,
    missing: encodeBitmap(policies.length, (bit) => missing.includes(policies[bit]?.name ?? '')),
    namespaces: [...namespaces],
  });
};

/** Builds the record of a cluster like the ledger's. */
export const recordOf = (model: ClusterModel, lists: PolicyLists): ClusterRecord => {
  const { name, connected, isObserved, named } = model;
  const baseline = baselineOfModel(model);
  const list = baseline === null ? undefined : lists.get(baseline.list);
  const policies = list === undefined || baseline === null ? named : new ClusterPolicies(list, baseline, named);
  const notObserved = connected && !isObserved ? { since: TIME, what: ['Pod'] } : null;
  return clusterRecord(name, [], { connected, notObserved, baseline, policies, policiesChanged: TIME });
};

const namespacesOf = ({ missing, namespaces, profile }: ClusterModel, { name, spec }: ReturnType<typeof listed>): readonly string[] => {
  if (missing.includes(name)) return [];
  if (spec.targetNamespace !== 'team-*') return [spec.targetNamespace];
  const excluded = [...(spec.excludedNamespaces ?? []), profile.gatekeeperNamespace];
  return namespaces.filter((each) => each.startsWith('team-') && !excluded.includes(each));
};

const listed = (model: ClusterModel, name: string) => {
  const found = compiledOf(model)?.find((each) => each.name === name);
  if (found === undefined) throw new Error(`${name} is not in the list`);
  return found;
};

/** The report of each policy, as the rule for status says. */
export const plainPolicies = (model: ClusterModel): ReadonlyMap<string, PolicyReport> => {
  const reports = new Map<string, PolicyReport>();
  for (const { name } of compiledOf(model) ?? []) {
    const compiled = listed(model, name);
    const isExpired = name === 'ends' && model.asOf > '2026-01-10T00:00:00Z';
    const namespaces = isExpired ? [] : namespacesOf(model, compiled);
    reports.set(name, expectedReport(listPolicy(compiled, REVISION), model.profile, { isExpired, namespaces }));
  }
  for (const [key, report] of model.named) reports.set(key, report);
  return reports;
};

/** Selects policies by target namespace, and clusters by name where there are any. */
export interface ModelScope {
  readonly clusters?: readonly string[];
  readonly targets: readonly string[];
}

/**
 * Reports of a cluster that a scope may see: those whose target it selects in Git, in the cluster's
 * list, and as reported.
 */
export const seenPolicies = (model: ClusterModel, { targets }: ModelScope, desired: Desired | null): ReadonlyMap<string, PolicyReport> => {
  const isSeen = ([key, report]: readonly [string, PolicyReport]): boolean => {
    const inGit = desired?.set.policies.find(({ document }) => document.metadata.name === key)?.document.spec.targetNamespace;
    const inList = compiledOf(model)?.find(({ name }) => name === key)?.spec.targetNamespace;
    return [inGit, inList, report.targetNamespace].every(
      (target) => target === undefined || targets.some((glob) => matchesNamespace(glob, target)),
    );
  };
  return new Map([...plainPolicies(model)].filter(isSeen).map(([key, { namespaceLabels: _labels, ...report }]) => [key, report]));
};

const lock = fc.constantFrom('Pending', 'Enforced', 'Degraded').map((state) => ({ state, since: TIME }));
const conflict = { type: 'Conflict', status: 'True' as const, lastTransitionTime: TIME, reason: 'NoRegionLeft', message: '' };
/**
 * Report of a policy in the list, of one outside it, or of a local one; a conforming one is short.
 */
const named: fc.Arbitrary<PolicyReport> = fc
  .record({
    name: fc.constantFrom(...POLICIES, 'gone'),
    namespace: fc.constantFrom('federated-sovereignty-system', 'local'),
    phase: fc.constantFrom('Active', 'Failed', 'Pending', 'Expired'),
    targetNamespace: fc.constantFrom('a', 'b'),
    namespaces: fc.uniqueArray(fc.constantFrom('a', 'b', 'c')),
    violations: fc.nat(3),
    conditions: fc.array(fc.constant(conflict), { maxLength: 1 }),
    namespaceLabels: fc.constantFrom<PolicyReport['namespaceLabels']>(undefined, [{ namespace: 'a', labels: { x: 'y' } }]),
    isShort: fc.boolean(),
    lastUpdated: fc.constantFrom('2026-01-01T00:00:00.000Z', '2026-01-02T00:00:00.000Z', '2026-01-03T00:00:00.000Z'),
    enforcement: fc.record({ admission: lock, gatekeeper: lock, binding: lock }),
  })
  .map(({ isShort, namespaceLabels, ...change }) => {
    const workload = { kind: 'Pod', namespace: 'a', reason: 'outside', since: TIME };
    const violationSamples = Array.from({ length: change.violations }, (_, n) => ({ ...workload, name: `pod-${n}` }));
    const managedBy = change.namespace === 'local' ? 'local' : 'hub';
    const report = policyReport(change.name, { ...change, managedBy, violationSamples, ...(namespaceLabels && { namespaceLabels }) });
    const { lastUpdated: _time, ...short } = report;
    return isShort ? short : report;
  });

const fields = {
  list: fc.oneof(
    { weight: 6, arbitrary: fc.record({ commit: fc.nat(MODEL_COMMITS.length - 1), of: fc.constantFrom('eu', 'us') }) },
    fc.constantFrom('unknown' as const, 'none' as const),
  ),
  profile: fc.record({
    floor: fc.boolean(),
    gatekeeper: fc.boolean(),
    injection: fc.boolean(),
    gatekeeperNamespace: fc.constantFrom('gatekeeper-system', 'team-2'),
  }),
  asOf: fc.constantFrom('2026-01-01T00:00:00.000Z', '2026-01-02T00:00:00.000Z', '2026-01-20T00:00:00.000Z'),
  missing: fc.subarray(POLICIES),
  namespaces: fc.subarray(['kube-system', 'team-1', 'team-2', 'team-x']),
  named: fc.uniqueArray(named, { selector: policyKey, maxLength: 3 }).map((all) => new Map(all.map((each) => [policyKey(each), each]))),
};

/** A cluster that says all of it again, or what changes in one. */
export const modelChange: fc.Arbitrary<Partial<ClusterModel> & Pick<ClusterModel, 'name'>> = fc.record(
  { name: fc.constantFrom(...MODEL_NAMES), connected: fc.boolean(), isObserved: fc.boolean(), ...fields },
  { requiredKeys: ['name'] },
);

/** A cluster that has just come. */
export const newCluster = (name: string): ClusterModel => ({
  name,
  connected: true,
  isObserved: true,
  list: 'none',
  profile: { floor: true, gatekeeper: true, injection: true, gatekeeperNamespace: 'gatekeeper-system' },
  asOf: TIME,
  missing: [],
  namespaces: [],
  named: new Map(),
});
