import { type PolicyReport, policyKey, SovereignPolicySpec, type SovereignPolicySpecInput, SYSTEM_NAMESPACE } from '@fso/shared/api';
import { type CompiledPolicy, digestOfPolicies, digestOfPolicy, USUAL_PLACE } from '@fso/shared/compile';
import { byText } from '@fso/shared/encoding';
import { isExpired } from '@fso/shared/residency';
import { type ClusterProfile, deviatingReport, expectedReport, governedNamespaces, hasBit, isWhole, listPolicy } from '@fso/shared/status';
import { type PolicyInput, planGovernance } from '../../enforce/index.ts';
import { namespaceOf, policyOf } from '../../enforce/testing/policies.ts';
import { type AcceptedPolicies, type AgentSnapshot, NO_VIOLATIONS, type PolicySnapshot } from '../../observe/index.ts';
import { injectionFacts } from '../../status/injection-facts.ts';
import { type LockInput, planLocks } from '../../status/locks.ts';
import { isProven, planStatus } from '../../status/plan-status.ts';
import { toReport } from '../../status/snapshot-cache.ts';
import type { Statement } from '../policy-statements.ts';

/**
 * A cluster as the enforcing side shows it, by its own plans, and what a hub reads. For tests of
 * what is reported.
 */

/** Profile of a cluster that has all features. */
export const PROFILE: ClusterProfile = { floor: true, gatekeeper: true, injection: true, ...USUAL_PLACE };
/** Commit in force. */
export const REVISION: string = '1'.repeat(40);
const CLUSTER = { agentVersion: 'test', kubernetesVersion: 'v1', gatekeeper: { state: 'Ready' as const }, nodesByRegion: {} };

/** Compiles a policy. Default: it targets the namespace of its name. */
export const compiledOf = (name: string, spec: Partial<SovereignPolicySpecInput> = {}): CompiledPolicy => {
  const written = SovereignPolicySpec.parse({ targetNamespace: name, allowedRegions: ['eu-west-1'], ...spec });
  const { enforcementAction, allowedRegions } = written;
  const content = {
    name,
    labels: {},
    spec: written,
    enforcementAction,
    effectiveRegions: [...allowedRegions].sort(byText),
    sourcePath: `${name}.yaml`,
  };
  return { ...content, digest: digestOfPolicy(content) };
};

const sorted = (policies: readonly CompiledPolicy[]): readonly CompiledPolicy[] => policies.toSorted((a, b) => byText(a.name, b.name));

/** Returns policies as those that the agent has accepted. */
export const acceptedOf = (policies: readonly CompiledPolicy[], change: Partial<AcceptedPolicies> = {}): AcceptedPolicies => ({
  digest: digestOfPolicies(sorted(policies)),
  policies: new Map(policies.map((policy) => [policy.name, { policy, since: REVISION }])),
  generationOf: () => 1,
  version: 0,
  isChanging: false,
  ...change,
});

/** Returns a compiled policy as input of the plans. */
export const inputOf = ({ name, spec }: CompiledPolicy, change: Partial<PolicyInput> = {}): PolicyInput =>
  policyOf(name, spec, { namespace: SYSTEM_NAMESPACE, managedBy: 'hub', revision: REVISION, ...change });

/** Policies and namespaces of a cluster, at a time. */
export interface SeenCluster {
  readonly policies: readonly PolicyInput[];
  readonly namespaces: readonly string[];
  readonly profile?: ClusterProfile;
  readonly asOf: Date;
  /** Namespaces in which lock 1 is not proven. */
  readonly unproven?: ReadonlySet<string>;
}

/** A cluster in which all is in force that can be. */
export const seenCluster = ({ policies, namespaces, profile = PROFILE, asOf, unproven = new Set() }: SeenCluster): AgentSnapshot => {
  const governance = planGovernance(
    policies,
    namespaces.map((name) => namespaceOf(name)),
    asOf,
    { place: profile },
  );
  const none = (): undefined => undefined;
  const locks: LockInput = {
    plan: {
      governance,
      constraintsOf: (key) => governance.constraints.filter((constraint) => constraint.policies.includes(key)).map(({ name }) => name),
      unapplied: new Set(),
      indexed: new Set(),
      unlisted: new Set(),
    },
    probe: (name) => ({ fingerprint: '', state: unproven.has(name) ? 'pending' : 'proven', message: undefined, first: false, held: false }),
    floor: { supported: profile.floor, installed: true, bindGate: 'label' },
    gatekeeper: {
      served: profile.gatekeeper,
      problem: undefined,
      exists: () => true,
      constraintProblem: none,
      exclusion: none,
      canary: none,
      outage: undefined,
      graceMs: 0,
    },
    failures: [],
    unprovenMs: () => 0,
  };
  const injecting = { governance, served: profile.injection, installed: true, unapplied: new Set<string>(), failures: [] };
  const snapshots = policies.flatMap((policy): (readonly [string, PolicySnapshot])[] => {
    const outcome = governance.policies.get(policy.key);
    if (outcome === undefined) return [];
    const injection = injectionFacts(policy, outcome, injecting);
    const observed = { violations: 0, injection };
    const status = planStatus({
      policy,
      outcome,
      previous: undefined,
      locks: planLocks(policy, outcome, undefined, locks),
      observed,
      now: asOf,
    });
    const report = toReport(policy, status, { violations: NO_VIOLATIONS, labels: [] });
    const { generation } = policy;
    return [[policy.key, { report, generation, observedGeneration: generation, proven: isProven(status), violations: [] }]];
  });
  return { policies: new Map(snapshots), cluster: { ...CLUSTER, conditions: [] }, profile, asOf };
};

/**
 * A snapshot with other reports of some policies; undefined: the cluster does not show the policy.
 */
export const withReports = (
  snapshot: AgentSnapshot,
  changes: Readonly<Record<string, Partial<PolicyReport> | undefined>>,
): AgentSnapshot => {
  const policies = new Map(snapshot.policies);
  for (const [key, change] of Object.entries(changes)) {
    const known = policies.get(key);
    if (change === undefined) policies.delete(key);
    else if (known !== undefined) policies.set(key, { ...known, report: { ...known.report, ...change } });
  }
  return { ...snapshot, policies };
};

/**
 * Returns the reports as a hub reads them: by name, and for the others of the list as it expects
 * them.
 */
export const readByHub = ({ ground, policies }: Statement, accepted: AcceptedPolicies, asOf: Date): ReadonlyMap<string, PolicyReport> => {
  const { profile, namespaces, missing } = ground?.baseline ?? { profile: PROFILE, namespaces: [], missing: '' };
  const compiled = ground === null ? [] : [...accepted.policies.values()].map(({ policy }) => policy);
  const read = sorted(compiled).map((policy, bit): [string, PolicyReport] => {
    const listed = listPolicy(policy, REVISION);
    const governing = governedNamespaces(listed, namespaces, profile);
    const deviation = policies.get(listed.name);
    if (deviation !== undefined && !isWhole(deviation))
      return [listed.name, deviatingReport(expectedReport(listed, profile, { isExpired: false, namespaces: governing }), deviation)];
    const governed = hasBit(missing, bit) ? [] : governing;
    const standing = { isExpired: isExpired(listed.expiryDate, asOf.getTime()), namespaces: governed };
    return [listed.name, expectedReport(listed, profile, standing)];
  });
  return new Map([...read, ...[...policies.values()].filter(isWhole).map((named) => [policyKey(named), named] as const)]);
};
