import type { ClusterPolicySpec, EnforcementAction, ManagedClusterDocument, Placement, SovereignPolicyDocument } from '../api/index.ts';
import type { PolicySet, Sourced } from '../decode/index.ts';
import {
  expandRegions,
  type PlacementTest,
  placementTest,
  type RegionGroups,
  regionGroupsOf,
  scopesAbove,
  scopesOf,
} from '../decode/index.ts';
import { byText, canonicalJson, sha256 } from '../encoding/index.ts';

/** Policy as one cluster gets it: the spec as in Git without its placement, groups expanded. */
export interface CompiledPolicy {
  /**
   * Name of the policy and its key: every compiled policy goes into the agent's namespace, which
   * the agent chooses.
   */
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly spec: Omit<ClusterPolicySpec, 'placement'>;
  readonly enforcementAction: EnforcementAction;
  /** Sorted, without duplicates. */
  readonly effectiveRegions: readonly string[];
  readonly sourcePath: string;
  /** sha256 (hex) over everything above. */
  readonly digest: string;
}

/** Policies that one cluster gets, sorted by name. */
export interface CompiledCluster {
  readonly cluster: string;
  readonly policies: readonly CompiledPolicy[];
  /** sha256 (hex) over the policies' digests; what an agent acks. */
  readonly digest: string;
}

/**
 * The policies of a set, compiled, sorted by name. A compiled policy does not depend on the cluster
 * that gets it.
 */
interface PlacedPolicies {
  /** Tests of all different placements, each combined with the scopes around it. */
  readonly tests: readonly PlacementTest[];
  /** `test`: index of the test that selects the clusters of the policy. */
  readonly policies: readonly { readonly policy: CompiledPolicy; readonly test: number }[];
}

/** Policies that all clusters get which the same placements select. */
type Share = Omit<CompiledCluster, 'cluster'>;

/**
 * Compiles the policies that one cluster gets of a set; none if the cluster is not registered in
 * it. Pure: hub and agent come to the same digest. For many clusters use {@link compileFleet},
 * which compiles each policy once.
 */
export const compileCluster = (set: PolicySet, cluster: string): CompiledCluster => {
  const registered = set.clusters.find(({ document }) => document.metadata.name === cluster)?.document;
  const share = registered === undefined ? shareOf([]) : createPlacing(set)(registered);
  return { cluster, ...share };
};

/**
 * Compiles the policies of every registered cluster, by the cluster's name. Clusters that the same
 * placements select share one list, so the cost grows with the number of different placements and
 * not with that of the policies.
 */
export const compileFleet = (set: PolicySet): Map<string, CompiledCluster> => {
  const place = createPlacing(set);
  return new Map(
    set.clusters.map(({ document }) => {
      const cluster = document.metadata.name;
      return [cluster, { cluster, ...place(document) }];
    }),
  );
};

const placedPolicies = (set: PolicySet): PlacedPolicies => {
  const groups = regionGroupsOf(set);
  const scopes = scopesOf(set);
  const tests: PlacementTest[] = [];
  const indexOf = new Map<string, number>();
  const testOf = ({ document, source }: Sourced<SovereignPolicyDocument>): number => {
    const around = scopesAbove(source.path, scopes).map((scope) => scope.document.spec.placement);
    const placements: readonly Placement[] = [...around, document.spec.placement ?? {}];
    const text = canonicalJson(placements);
    const known = indexOf.get(text);
    if (known !== undefined) return known;
    indexOf.set(text, tests.length);
    const all = placements.map((placement) => placementTest(placement, groups));
    return tests.push((cluster) => all.every((selects) => selects(cluster))) - 1;
  };
  const policies = set.policies
    .map((sourced) => ({ policy: compilePolicy(sourced, groups), test: testOf(sourced) }))
    .sort((left, right) => byText(left.policy.name, right.policy.name));
  return { tests, policies };
};

const createPlacing = (set: PolicySet): ((cluster: ManagedClusterDocument) => Share) => {
  const { tests, policies } = placedPolicies(set);
  const shares = new Map<string, Share>();
  return (cluster) => {
    const selected = tests.map((isFor) => isFor(cluster));
    const key = selected.map(Number).join('');
    const share = shares.get(key) ?? shareOf(policies.filter(({ test }) => selected[test]).map(({ policy }) => policy));
    shares.set(key, share);
    return share;
  };
};

const shareOf = (policies: readonly CompiledPolicy[]): Share => ({ policies, digest: digestOfPolicies(policies) });

/** {@link CompiledCluster.digest} of policies that are sorted by name. */
export const digestOfPolicies = (policies: readonly Pick<CompiledPolicy, 'name' | 'digest'>[]): string =>
  sha256(policies.map(({ name, digest }) => `${name} ${digest}\n`).join(''));

/** {@link CompiledPolicy.digest}; an existing digest is ignored. */
export const digestOfPolicy = (policy: Omit<CompiledPolicy, 'digest'> & Partial<Pick<CompiledPolicy, 'digest'>>): string => {
  const { digest: _stated, ...content } = policy;
  return sha256(canonicalJson(content));
};

const compilePolicy = ({ document, source }: Sourced<SovereignPolicyDocument>, groups: RegionGroups): CompiledPolicy => {
  const { placement: _hubSide, ...spec } = document.spec;
  const effectiveRegions = expandRegions(spec.allowedRegions, groups);
  const content: Omit<CompiledPolicy, 'digest'> = {
    name: document.metadata.name,
    labels: document.metadata.labels ?? {},
    // A cluster knows no groups: what lands in it is complete in itself.
    spec: { ...spec, allowedRegions: [...effectiveRegions] },
    enforcementAction: spec.enforcementAction,
    effectiveRegions,
    sourcePath: source.path,
  };
  return { ...content, digest: digestOfPolicy(content) };
};
